"""Fresh variants of the seeded faults: what is replaced, what is drawn, and what a fault may not say."""

import ast
import random
import sys
from pathlib import Path

import pytest

from runtime.digest import Digest
from runtime.errors import FactorError
from runtime.factors import factor
from runtime.plan import Plan, User

FAULTS = Path(__file__).parents[2] / "faults"
sys.path.append(str(FAULTS))

from drawn_hosts import INNOCENT  # noqa: E402
from fault import FaultError, Kind, faults, read  # noqa: E402
from variants import lock_path, make  # noqa: E402
from words import renaming  # noqa: E402

ONE = """
about: A file is read by nobody else.
kind: one
causes: {umask: "0077"}
fails: [test_upload_is_read]
words: {upload: [picture]}
"""


@pytest.fixture
def folder(tmp_path):
    for part, text in {"app": "def keep(upload): ...\n", "tests": "def test_upload_is_read(): ...\n"}.items():
        (tmp_path / part).mkdir()
        (tmp_path / part / f"test_uploads_{part}.py").write_text(text)
    return tmp_path


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("upload uploads Upload UPLOAD", "picture pictures Picture PICTURE"),
        ("test_upload_is_kept my_upload2", "test_picture_is_kept my_picture2"),
        ("NewUpload UploadStore newUpload", "NewPicture PictureStore newPicture"),
        ("uploaded reupload uploader", "uploaded reupload uploader"),
    ],
)
def test_word_is_replaced_where_it_stands_by_itself(text, expected):
    changed = {renaming({"upload": ("picture",)}, random.Random(seed))(text) for seed in range(20)}
    assert changed == {text, expected}


@pytest.mark.parametrize("name", faults())
def test_variant_can_be_made_of_every_fault(name, tmp_path):
    variant = make(read(FAULTS / name), 0, tmp_path)
    for path in tmp_path.rglob("*.py"):
        ast.parse(path.read_text())
    assert variant.spec.with_suffix(".lock.json").read_bytes() == lock_path(variant.fault).read_bytes()
    assert bool(variant.fails) == (variant.fault.kind is not Kind.CLEAN)
    assert any(variant.hosts.values()) == bool(variant.fault.causes)
    assert not all(variant.hosts.values())


def test_same_seed_makes_the_same_variant(tmp_path):
    for each in ("first", "second"):
        make(read(FAULTS / "uploads"), 7, tmp_path / each)
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_other_seeds_make_other_names_other_tests_and_other_hosts(tmp_path):
    variants = [make(read(FAULTS / "uploads"), seed, tmp_path / str(seed)) for seed in range(8)]
    assert len({path.name for each in variants for path in (each.spec.parent / "app").iterdir()}) > 2
    assert len({frozenset(contents(each.spec.parent / "tests")) for each in variants}) == len(variants)
    assert len({each.spec.read_text() for each in variants}) == len(variants)


def test_fault_is_read_as_written(folder):
    (folder / "fault.yaml").write_text(ONE)
    fault = read(folder)
    assert (fault.kind, fault.causes, fault.here, fault.words) == (
        Kind.ONE,
        {"umask": "0077"},
        "failed",
        {"upload": ("picture",)},
    )


@pytest.mark.parametrize(
    ("line", "other", "reason"),
    [
        ("kind: one", "kind: two", "two is of 2 causes, and there are 1"),
        ("kind: one", "kind: three", "'three' is not a valid Kind"),
        ("kind: one", "kind: clean", "clean is of 0 causes, and there are 1"),
        ("about: ", "abuot: ", "'about'"),
        ("kind: one", "kind: one\nhosts: []", "unknown key 'hosts'"),
        ("[picture]", "[queue]", "'queue' cannot be part of a name"),
        ("[picture]", "[keep]", "'keep', which may replace 'upload', is in the app already"),
        ("{upload:", "{letter:", "the word 'letter' is nowhere in the app"),
    ],
)
def test_fault_that_makes_no_variant_is_refused(line, other, reason, folder):
    (folder / "fault.yaml").write_text(ONE.replace(line, other))
    with pytest.raises(FaultError, match=reason):
        read(folder)


@pytest.mark.parametrize(("name", "level"), [(name, level) for name, levels in INNOCENT.items() for level in levels])
def test_innocent_level_is_another_than_the_reference_has(name, level):
    plan = Plan(
        image=Digest.of(b"image"),
        suite=Digest.of(b"suite"),
        argv=("true",),
        workdir="/srv/app",
        environment={"PATH": "/usr/bin"},
        user=User(uid=1000, gid=1000, home="/home/app"),
        capabilities=(),
    )
    try:
        factor(name).apply(plan, level)
    except FactorError as error:
        pytest.fail(str(error))
    assert level != factor(name).default
