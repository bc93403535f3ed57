"""Layers are made once; where they are doubted, or built again, they are made twice, and compared."""

import os

import pytest

from pipeline.build import workshop as module
from pipeline.build.owners import adopt
from pipeline.build.workshop import CONDITIONS
from pipeline.declare.errors import NotReproducibleError

EPOCH = 1_000_000_009


def filled(seen, content=lambda _: "same\n"):
    """Return what fills a folder with one file, and notes the conditions: those of both builds in one file."""

    def fill(folder, conditions):
        with seen.open("a") as notes:
            notes.write(f"{conditions.hostname}\n")
        (folder / "file").write_text(content(conditions))
        (folder / "file").chmod(0o644)
        adopt(folder, ())

    return fill


def layers(workshop, fill, **options):
    return workshop.layers("app", {"key": "one"}, fill, epoch=EPOCH, **options)


def by_umask(conditions):
    return f"{conditions.umask:03o}\n"


def test_layer_is_made_once_and_not_again(workshop, tmp_path):
    seen = tmp_path / "seen"
    first = layers(workshop(), filled(seen))
    assert layers(workshop(), filled(seen)) == first
    assert seen.read_text().split() == [CONDITIONS[0].hostname]


def test_both_builds_are_packed_under_their_conditions(workshop, tmp_path, monkeypatch):
    seen, packed = tmp_path / "packed", module._packed

    def noted(*arguments):
        with seen.open("a") as notes:
            notes.write(f"{os.environ['TZ']} {os.environ['LANG']}\n")
        return packed(*arguments)

    monkeypatch.setattr(module, "_packed", noted)
    layers(workshop(), filled(tmp_path / "seen"), is_doubted=True)
    assert sorted(seen.read_text().splitlines()) == sorted(f"{each.timezone} {each.locale}" for each in CONDITIONS)


def test_record_that_is_damaged_is_none(workshop, tmp_path):
    first = layers(workshop(), filled(tmp_path / "seen"))
    (record,) = (tmp_path / "builds").iterdir()
    for damage in (b"", b"[]", b'{"layers": [{"descriptor": {}, "diff_id": "zz"}]}'):
        record.write_bytes(damage)
        assert layers(workshop(), filled(tmp_path / "seen")) == first


def test_layer_that_is_doubted_is_made_under_both_conditions_at_once(workshop, tmp_path):
    seen = tmp_path / "seen"
    layers(workshop(), filled(seen), is_doubted=True)
    assert sorted(seen.read_text().split()) == sorted(each.hostname for each in CONDITIONS)


@pytest.mark.parametrize("options", [{"is_doubted": True}, {}], ids=["doubted", "again"])
def test_layer_made_twice_that_differs_is_refused_with_the_path_and_kept_nowhere(
    options, workshop, tmp_path
):
    place = workshop(is_fresh=not options)
    with pytest.raises(NotReproducibleError, match=r"two builds of the layer app differ: file, content"):
        layers(place, filled(tmp_path / "seen", by_umask), **options)
    assert not list((tmp_path / "builds").glob("*"))
    assert not list((tmp_path / "trees").glob("*"))


def test_layer_built_again_must_be_what_was_built_before(workshop, tmp_path):
    first = layers(workshop(), filled(tmp_path / "seen"))
    with pytest.raises(NotReproducibleError, match=r"two builds of the layer app differ: file, content"):
        layers(workshop(is_fresh=True), filled(tmp_path / "seen", lambda _: "else\n"))
    assert layers(workshop(), filled(tmp_path / "seen")) == first


def test_layer_built_again_is_the_one_that_was_built_before(workshop, tmp_path):
    first = layers(workshop(), filled(tmp_path / "seen"))
    assert layers(workshop(is_fresh=True), filled(tmp_path / "seen")) == first
    assert len((tmp_path / "seen").read_text().split()) == 3
