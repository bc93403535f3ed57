"""``runtime.data`` makes classes as ``dataclasses`` does: everything is asked of both."""

import copy
import dataclasses
import pickle
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import data
from runtime.errors import SeatrialError

LIBRARIES = {"ours": data, "theirs": dataclasses}


class Made:
    """The same classes, by one of the two."""

    def __init__(self, library):
        dataclass, field = library.dataclass, library.field

        @dataclass(frozen=True, slots=True, kw_only=True)
        class Plain:
            """A class as most are."""

            number: int
            text: str = "x"
            found: Mapping[str, int] = field(default_factory=dict)

        @dataclass(frozen=True, slots=True)
        class Pair:
            first: int
            second: int = 2

        @dataclass(frozen=True, slots=True, order=True)
        class Ordered:
            text: str

            def __post_init__(self):
                if not self.text:
                    raise SeatrialError("empty")

            def __str__(self):
                return self.text

        @dataclass(slots=True, kw_only=True)
        class Open:
            number: int
            made: list = field(default_factory=list, init=False)
            left: str = field(default="wait", init=False)

        @dataclass(slots=True, kw_only=True, eq=False)
        class Own:
            number: int

        @dataclass(slots=True, kw_only=True)
        class Below(Open):
            extra: bool = False

        @dataclass(frozen=True, slots=True)
        class Empty:
            pass

        self.classes = {each.__name__: each for each in (Plain, Pair, Ordered, Open, Own, Below, Empty)}


MADE = {name: Made(library) for name, library in LIBRARIES.items()}


def asked(question):
    """Ask both; what is raised is an answer too, by its type."""
    found = []
    for name, made in MADE.items():
        try:
            found.append(question(LIBRARIES[name], made.classes))
        except Exception as error:  # noqa: BLE001 - whatever it is, both must raise it
            found.append(type(error))
    return found


QUESTIONS = {
    "repr": lambda _, c: repr([c["Plain"](number=1), c["Pair"](1), c["Below"](number=3), c["Empty"]()]).replace(
        "Made.__init__.<locals>.", ""
    ),
    "defaults are fresh": lambda _, c: c["Plain"](number=1).found is not c["Plain"](number=1).found,
    "equal": lambda _, c: (c["Plain"](number=1) == c["Plain"](number=1), c["Plain"](number=1) != c["Plain"](number=2)),
    "other class": lambda _, c: c["Open"](number=1) == c["Below"](number=1),
    "not equal without eq": lambda _, c: c["Own"](number=1) == c["Own"](number=1),
    "hash": lambda _, c: hash(c["Pair"](1)) == hash(c["Pair"](1, 2)) == hash((1, 2)),
    "no hash of what changes": lambda _, c: hash(c["Open"](number=1)),
    "hash without eq": lambda _, c: isinstance(hash(c["Own"](number=1)), int),
    "order": lambda _, c: [str(each) for each in sorted(map(c["Ordered"], ["b", "a", "c"]))],
    "order of others": lambda _, c: c["Ordered"]("a") < "b",
    "no order": lambda _, c: c["Pair"](1) < c["Pair"](2),
    "missing": lambda _, c: c["Plain"](),
    "unknown": lambda _, c: c["Plain"](number=1, other=2),
    "positional where keywords are wanted": lambda _, c: c["Plain"](1),
    "too many": lambda _, c: c["Pair"](1, 2, 3),
    "twice": lambda _, c: c["Pair"](1, first=1),
    "not for init": lambda _, c: c["Open"](number=1, left="x"),
    "fixed": lambda _, c: (c["Open"](number=1).left, c["Open"](number=1).made),
    "frozen": lambda _, c: setattr(c["Pair"](1), "first", 2),
    "frozen for deletion": lambda _, c: delattr(c["Pair"](1), "first"),
    "frozen is an attribute error": lambda *_: issubclass(dataclasses.FrozenInstanceError, AttributeError),
    "no other attribute": lambda _, c: setattr(c["Open"](number=1), "other", 2),
    "check of its own": lambda _, c: c["Ordered"](""),
    "replace": lambda lib, c: lib.replace(c["Plain"](number=1, text="y"), number=2) == c["Plain"](number=2, text="y"),
    "replace checks": lambda lib, c: lib.replace(c["Ordered"]("a"), text=""),
    "replace of what is fixed": lambda lib, c: lib.replace(c["Open"](number=1), left="x"),
    "replace of what is unknown": lambda lib, c: lib.replace(c["Pair"](1), other=1),
    "fields": lambda lib, c: [[each.name for each in lib.fields(made)] for made in c.values()],
    "is one": lambda lib, c: [lib.is_dataclass(c["Pair"]), lib.is_dataclass(c["Pair"](1)), lib.is_dataclass(1)],
    "library fields": lambda _, c: [[each.name for each in dataclasses.fields(made)] for made in c.values()],
    "library replace": lambda _, c: dataclasses.replace(c["Pair"](1), second=3) == c["Pair"](1, 3),
    "library asdict": lambda _, c: dataclasses.asdict(c["Below"](number=1)),
    "slots": lambda _, c: [made.__slots__ for made in c.values()],
    "match": lambda _, c: [made.__match_args__ for made in c.values()],
    "names": lambda _, c: [(made.__name__, made.__doc__ and made.__doc__[:7]) for made in (c["Plain"],)],
    "copy": lambda _, c: copy.copy(c["Pair"](1)) == c["Pair"](1),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_class_answers_as_one_of_the_library(name):
    ours, theirs = asked(QUESTIONS[name])
    assert ours == theirs


@given(st.integers(), st.text(), st.dictionaries(st.text(), st.integers()))
def test_values_are_kept_and_compared_as_by_the_library(number, text, found):
    ours, theirs = (made.classes["Plain"](number=number, text=text, found=found) for made in MADE.values())
    assert dataclasses.astuple(ours) == dataclasses.astuple(theirs) == (number, text, found)
    assert ours == dataclasses.replace(ours) == data.replace(ours)


def test_value_comes_back_from_a_pickle():
    from runtime.plan import Tmpfs, User  # noqa: PLC0415 - classes that a pickle can name

    for value in (User(uid=1, gid=2, home="/h"), Tmpfs(path="/tmp", size=1)):
        assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own bytes


def test_class_of_the_library_can_be_below_one_of_ours():
    @dataclasses.dataclass(slots=True, kw_only=True)
    class Below(MADE["ours"].classes["Open"]):
        extra: int = 1

    made = Below(number=3)
    assert (made.number, made.extra, made.left) == (3, 1, "wait")


def test_class_without_slots_is_refused():
    with pytest.raises(TypeError, match="slots=True is wanted"):
        data.dataclass(frozen=True)(type("X", (), {"__annotations__": {}}))
