import pytest

from pipeline.cli.arguments import UsageError
from pipeline.cli.expectations import parse_expectations, unmet
from pipeline.verify.reproduce import reproducer
from pipeline.verify.shutdowns import shutdown_lines
from runtime.digest import Digest
from runtime.outcome import Ending, Outcome, Stream

NOTHING = Stream(content=b"", size=0, digest=Digest.of(b""))
LEFT = (Ending(name="sleep", signal=15, duration=3),)
FOUND = Outcome(
    exit_code=0,
    stdout=NOTHING,
    stderr=NOTHING,
    artifacts={"out/a=b": Digest.of(b"a\x1b\n"), "out/c": Digest.of(b"c")},
    texts={"out/a=b": "a\x1b\n"},
    changed=("/x",),
    shutdown=LEFT,
)


@pytest.mark.parametrize("word", ["", "=sha256:1", "a", "a=1", "a=MISSING"])
def test_word_that_is_no_expectation_is_refused(word):
    with pytest.raises(UsageError):
        parse_expectations([word])


def test_expected_artifacts_are_met():
    expected = {
        "out/a=b": Digest.of(b"a\x1b\n").text,
        "out/none": "missing",
        "(files)": Digest.of_json(["/x"]).text,
        "(shutdown)": Digest.of_json(list(shutdown_lines(LEFT))).text,
    }
    assert list(unmet(FOUND, parse_expectations([f"{name}={digest}" for name, digest in expected.items()]))) == []


def test_each_other_artifact_is_told_with_its_text_made_safe():
    other = Digest.of(b"").text
    told = list(unmet(FOUND, {"out/a=b": other, "out/c": "missing", "out/none": other, "(shutdown)": other}))
    assert told == [
        f"artifact out/a=b is {Digest.of(bytes([97, 27, 10]))}, want {other}",
        "  a\\x1b",
        f"artifact out/c is {Digest.of(b'c')}, want missing",
        f"artifact out/none is missing, want {other}",
        f"artifact (shutdown) is {Digest.of_json(list(shutdown_lines(LEFT)))}, want {other}",
        "  process sleep is left behind and heeds SIGTERM",
    ]


def test_reproducer_of_an_artifact_quotes_what_it_expects():
    line = reproducer(spec="a.yaml", command=("true",), factors={"umask": "0077"}, expect="(shutdown)=sha256:1")
    assert line == "seatrial run a.yaml --set umask=0077 --expect '(shutdown)=sha256:1' -- true"
