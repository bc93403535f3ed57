"""Hashes in a requirements file: what is locked has one of them."""

import pytest

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.ecosystems.pypi.pinned_hashes import refuse_other_hashes
from pipeline.declare.errors import ResolveError

RIGHT, OTHER = "a1" * 32, "b2" * 32
BLUE = LockedPackage(
    name="blue",
    version="1.0",
    architecture="",
    artifact=Artifact(source="pypi:blue-1.0-py3-none-any.whl", size=1, hash=f"sha256:{RIGHT}", sha256=RIGHT),
)


@pytest.fixture
def requirements(tmp_path):
    (tmp_path / ".git").mkdir()

    def write(text, name="requirements.txt"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    "text",
    [
        "blue==1.0\n",
        f"blue==1.0 --hash=sha256:{RIGHT}\n",
        f"Blue==1.0 \\\n    --hash=sha256:{OTHER} \\\n    --hash=sha256:{RIGHT.upper()}\n",
        f"red==1.0 --hash=sha256:{OTHER}\n",
        f"blue==1.0  # --hash=sha256:{OTHER}\n",
    ],
)
def test_wheel_with_a_demanded_hash_is_locked(requirements, text):
    refuse_other_hashes(requirements(text), (BLUE,))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"blue==1.0 --hash=sha256:{OTHER}\n", 1),
        (f"# pinned\nblue ==1.0 ; python_version > '3' \\\n  --hash=sha256:{OTHER}\n", 2),
        (f"blue==1.0 --hash sha512:{'c' * 128}\n", 1),
    ],
)
def test_wheel_with_another_hash_is_refused_at_its_line(requirements, text, line):
    with pytest.raises(ResolveError, match=rf"requirements.txt:{line}: blue 1.0 has sha256:a1.*\[index-hash\]"):
        refuse_other_hashes(requirements(text), (BLUE,))


def test_hash_in_a_file_that_is_included_counts(requirements):
    requirements(f"blue==1.0 --hash=sha256:{OTHER}\n", "more.txt")
    with pytest.raises(ResolveError, match=r"more.txt:1"):
        refuse_other_hashes(requirements("-r more.txt\n"), (BLUE,))
