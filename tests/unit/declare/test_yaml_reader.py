from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.declare.faults import Fault, SpecFaults, escape
from pipeline.declare.yaml_reader import MAX_DEPTH, MAX_SIZE, Kind, Scalar, parse_yaml, read_yaml, walk

HERE = Path("x.yaml")


def faults_of(content: bytes) -> tuple[Fault, ...]:
    with pytest.raises(SpecFaults) as caught:
        parse_yaml(content, HERE)
    return caught.value.faults


def test_parse_yaml_keeps_line_and_column_of_keys_and_values():
    table = parse_yaml(b"a: 1\nb:\n  - caf\xc3\xa9: x\n", HERE)
    place = next(node.place for path, node in walk(table) if path == ("b", 0, "café"))
    assert (place.line, place.column, place.length) == (3, 11, 1)
    assert (table.keys["b"].line, table.keys["b"].column) == (2, 1)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("text", Kind.TEXT),
        ('"3.10"', Kind.TEXT),
        ("3.10", Kind.NUMBER),
        ("0077", Kind.WHOLE),
        ("yes", Kind.BOOLEAN),
        ("2026-01-01", Kind.DATE),
        ("", Kind.NOTHING),
        ("null", Kind.NOTHING),
    ],
)
def test_parse_yaml_tells_what_yaml_takes_a_scalar_for(written, kind):
    node = parse_yaml(f"a: {written}\n".encode(), HERE).values["a"]
    assert isinstance(node, Scalar)
    assert node.kind is kind
    assert node.text == written.strip('"')


def test_parse_yaml_writes_out_aliases():
    table = parse_yaml(b"a: &x [1, 2]\nb: *x\n", HERE)
    assert table.values["b"] == table.values["a"]


def test_parse_yaml_refuses_alias_inside_its_own_anchor():
    assert "names nothing" in faults_of(b"a: &x [*x]\n")[0].message


def test_parse_yaml_refuses_nesting_before_it_costs():
    # A newer libyaml refuses by itself what is far deeper; either way it is a fault, and at once.
    assert str(MAX_DEPTH) in faults_of(b"a: " + b"[" * (2 * MAX_DEPTH) + b"]" * (2 * MAX_DEPTH))[0].message
    assert faults_of(b"a: " + b"[" * 500_000)


def test_parse_yaml_refuses_many_values():
    assert "10000" in faults_of(b"a: [" + b"x, " * 10_001 + b"]")[0].message


def test_read_yaml_refuses_large_file(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (MAX_SIZE + 1))
    with pytest.raises(SpecFaults, match="more than"):
        read_yaml(path)


def test_read_yaml_of_folder_says_so(tmp_path):
    with pytest.raises(SpecFaults, match="is a folder"):
        read_yaml(tmp_path)


def test_read_yaml_of_missing_file_names_init(tmp_path):
    with pytest.raises(SpecFaults, match="seatrial init"):
        read_yaml(tmp_path / "none.yaml")


def test_parse_yaml_collects_faults_that_leave_the_rest_readable():
    found = faults_of(b"a: 1\na: 2\non: 3\n<<: {b: 1}\n3: x\n")
    assert [fault.line for fault in found] == [2, 3, 4, 5]


@given(st.binary(max_size=200))
def test_parse_yaml_of_any_bytes_is_table_or_faults(content):
    try:
        parse_yaml(content, HERE)
    except SpecFaults as error:
        assert error.faults  # noqa: PT017 - either outcome is right


@given(st.dictionaries(st.text("abc", min_size=1), st.integers() | st.booleans() | st.text("xyz ", max_size=5)))
def test_parse_yaml_agrees_with_yaml_on_what_it_dumps(data):
    table = parse_yaml(yaml.safe_dump(data).encode() if data else b"{}", HERE)
    assert list(table.values) == sorted(data)


@given(st.text())
def test_escape_leaves_nothing_that_drives_a_terminal(text):
    assert escape(text).isprintable() or all(char.isprintable() or ord(char) > 0x9F for char in escape(text))
    assert "\x1b" not in escape(text)
    assert "\n" not in escape(text)


def test_fault_in_long_line_shows_the_part_around_it():
    line = "a" * 300 + "WRONG" + "b" * 300
    shown = str(Fault(path=HERE, line=1, column=301, length=5, message="m", source_line=line))
    _, text, caret = shown.splitlines()
    assert text[caret.index("^") :].startswith("WRONG")
    assert len(text) < 130
