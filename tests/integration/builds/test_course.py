"""Trees over one another: each is packed while the next one is filled, and made once."""

import time

import pytest

from pipeline.build.course import Step, lay
from pipeline.build.owners import adopt
from pipeline.build.unpacked import trees_of
from pipeline.build.workshop import Workshop
from pipeline.declare.errors import BuildError, NotReproducibleError
from runtime.oci.layout import Layout

EPOCH = 1_000_000_009


@pytest.fixture
def workshop(tmp_path):
    def make(**options):
        return Workshop(
            layout=Layout(tmp_path / "oci"), trees=trees_of(tmp_path), records=tmp_path / "builds", **options
        )

    return make


class Course:
    """Three trees, each of one file that says what was below and what was fetched."""

    def __init__(self, notes):
        self.notes = notes
        self.fails = ""
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
            self.note(f"fetch {name}")
            (folder / "it").write_text(name)
            return {"it": folder / "it"}

        def fill(folder, below, files):
            if name == self.fails:
                raise BuildError(f"{name} fails")
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


def test_tree_that_fails_leaves_those_below_it_and_nothing_else(course, workshop, tmp_path):
    course.fails = "b"
    with pytest.raises(BuildError, match="b fails"):
        course.lay(workshop())
    assert len(list((tmp_path / "builds").iterdir())) == 1
    assert {each.name[:5] for each in (tmp_path / "trees").iterdir()} & {".new-"} == set()
    course.fails = ""
    course.noted()
    course.lay(workshop())
    assert sorted(each for each in course.noted() if each.startswith("fill")) == ["fill b", "fill c"]


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
