"""Trees over one another: each is packed while the next one is filled, and made once."""

import errno
import time

import pytest

from pipeline.build.course import Step, lay
from pipeline.build.owners import adopt
from pipeline.build.workshop import Workshop
from pipeline.declare.errors import BuildError, NotReproducibleError
from runtime.errors import StoreError

EPOCH = 1_000_000_009


class Course:
    """Three trees, each of one file that says what was below and what was fetched."""

    def __init__(self, notes):
        self.notes = notes
        self.fails: dict[str, BaseException] = {}
        self.differs = ""

    def note(self, what):
        with self.notes.open("a") as notes:
            notes.write(f"{what}\n")

    def noted(self):
        found = self.notes.read_text().splitlines() if self.notes.exists() else []
        self.notes.unlink(missing_ok=True)
        return found

    def step(self, name):
        def fetch(folder):
            if f"fetch {name}" in self.fails:
                raise self.fails[f"fetch {name}"]
            self.note(f"fetch {name}")
            (folder / "it").write_text(name)
            return {"it": folder / "it"}

        def fill(folder, below, files):
            if name in self.fails:
                raise self.fails[name]
            self.note(f"fill {name}")
            found = [(each / f"file{number}").read_text() for number, each in enumerate(below)]
            kind = time.time_ns() if name == self.differs else ""
            file = folder / f"file{len(below)}"
            file.write_text(f"{files['it'].read_text()}{kind} on [{' '.join(found)}]")
            file.chmod(0o644)
            adopt(folder, ())

        return Step(name=name, key={"name": name}, fetch=fetch, fill=fill, epoch=EPOCH)

    def lay(self, workshop, names="abc", below=()):
        return lay([self.step(each) for each in names], workshop, below)


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path / "notes")


def contents(workshop, layers):
    folders = workshop.trees.paths(layers)
    return [(folder / f"file{number}").read_text() for number, folder in enumerate(folders)]


def test_each_tree_is_filled_over_those_below_and_is_what_its_layer_unpacks_to(course, workshop, tmp_path):
    layers = course.lay(workshop())
    wanted = ["a on []", "b on [a on []]", "c on [a on [] b on [a on []]]"]
    assert contents(workshop(), layers) == wanted
    for folder in (tmp_path / "trees").iterdir():
        if folder.name != ".locks":
            workshop().trees.remove(folder)
    assert contents(workshop(), layers) == wanted
    assert sorted(course.noted()) == sorted(f"{what} {name}" for what in ("fetch", "fill") for name in "abc")


def test_trees_that_were_made_before_are_not_made_again(course, workshop):
    layers = course.lay(workshop())
    course.noted()
    assert course.lay(workshop()) == layers
    assert course.noted() == []
    assert course.lay(workshop(), "abd")[:2] == layers[:2]
    assert sorted(course.noted()) == ["fetch d", "fill d"]


def test_course_over_other_layers_is_another_one_and_returns_its_own(course, workshop):
    lowest = course.lay(workshop(), "a")
    upper = course.lay(workshop(), "bc", lowest)
    assert lowest + upper == course.lay(workshop())
    assert course.lay(workshop(), "bc") != upper


FAILURES = {
    "fill": ("b", BuildError("b fails")),
    "disk": ("b", OSError(errno.ENOSPC, "b fails")),
    "fetch": ("fetch b", BuildError("b fails")),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_tree_that_fails_leaves_those_below_it_and_nothing_else(failure, course, workshop, tmp_path):
    where, error = FAILURES[failure]
    course.fails = {where: error}
    with pytest.raises(type(error), match="b fails"):
        course.lay(workshop())
    assert len(list((tmp_path / "builds").iterdir())) == 1
    assert not list((tmp_path / "trees").glob(".new-*"))
    course.fails = {}
    course.noted()
    course.lay(workshop())
    assert sorted(each for each in course.noted() if each.startswith("fill")) == ["fill b", "fill c"]


def test_whoever_stops_a_course_waits_for_nothing(course, workshop, tmp_path, monkeypatch):
    monkeypatch.setattr(Workshop, "packed", lambda *_: time.sleep(600))
    course.fails = {"b": KeyboardInterrupt()}
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        course.lay(workshop())
    assert time.monotonic() - begun < 300
    assert not (tmp_path / "builds").exists()
    assert not list((tmp_path / "trees").glob(".new-*"))


def test_packing_that_fails_is_told_and_hides_no_first_failure(course, workshop, tmp_path, monkeypatch):
    def fail(*_):
        raise StoreError("no room")

    monkeypatch.setattr(Workshop, "packed", fail)
    with pytest.raises(StoreError, match="no room"):
        course.lay(workshop())
    course.fails = {"b": BuildError("b fails")}
    with pytest.raises(BuildError, match="b fails") as caught:
        course.lay(workshop())
    assert caught.value.__notes__ == ["a was not kept: no room"]
    assert not (tmp_path / "builds").exists()
    assert not list((tmp_path / "trees").glob(".new-*"))


def test_course_that_is_built_again_is_what_was_built_before(course, workshop):
    layers = course.lay(workshop())
    assert course.lay(workshop(is_fresh=True)) == layers
    course.differs = "b"
    with pytest.raises(NotReproducibleError, match="two builds of the layer b differ: file1, content"):
        course.lay(workshop(is_fresh=True))


def test_tree_is_filled_while_the_one_below_is_packed(course, workshop, monkeypatch):
    """Packing waits for that here, so it would never end if it were awaited first."""
    packed, after = Workshop.packed, {"a": "fill b", "b": "fill c"}

    def once_the_next_is_filled(self, name, *others):
        for _ in range(6000):
            if after.get(name, "fetch a") in course.notes.read_text().splitlines():
                return packed(self, name, *others)
            time.sleep(0.01)
        raise AssertionError(f"nothing is filled while {name} is packed")

    monkeypatch.setattr(Workshop, "packed", once_the_next_is_filled)
    assert len(course.lay(workshop())) == 3
