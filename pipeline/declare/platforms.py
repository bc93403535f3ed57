"""The platforms that Seatrial brings as hosts, as a page of the reference.

``python -m pipeline.declare.platforms`` prints docs/reference/platforms.md.
"""

import sys
from collections.abc import Iterator

from pipeline.declare.hosts import BUILT_IN, Catalogue
from runtime.host import Host

SET = "platforms"
"""The set that names them."""

_LEFT_OUT = "; not imitated "
_HEAD = ("platform", "what it is", "levels that differ from the reference's", "not imitated", "documentation")

_ABOUT = """\
# Platforms

<!-- generated: python -m pipeline.declare.platforms -->

Each is a host of `specs/hosts/`, written from the platform's own documentation: its defaults, where it has any, and
only what a level of a factor can carry out ([factors](factors.md)). Where a level is from another page, a comment in
the file names it. `seatrial verify --hosts platforms SPEC` asks all that can be had on this machine, and names the
others with what they need; `hosts: [aws-lambda, …]` in a spec asks some.

A platform that passes here says that nothing of the imitated kind breaks the app there. What is not imitated may.
"""


def to_markdown() -> str:
    """Return the page of the reference."""
    return "\n".join(_lines(platforms())) + "\n"


def platforms() -> tuple[Host, ...]:
    """Return the platforms that Seatrial brings, in the order of their set."""
    brought = Catalogue((BUILT_IN,))
    return tuple(brought.host(name) for name in brought.set(SET).hosts)


def split_about(host: Host) -> tuple[str, str]:
    """Return what a platform is, and what of it is not imitated; the second is empty where its file does not say."""
    what, _, missing = host.about.partition(_LEFT_OUT)
    return what, missing.removeprefix("is ").removeprefix("are ")


def _lines(hosts: tuple[Host, ...]) -> Iterator[str]:
    yield _ABOUT
    yield _row(_HEAD)
    yield _row(("---",) * len(_HEAD))
    for each in hosts:
        levels = ", ".join(f"`{name}: {level}`" for name, level in each.differing.items())
        site = each.source.removeprefix("https://").partition("/")[0]
        yield _row((f"`{each.name}`", split_about(each)[0], levels, split_about(each)[1], f"[{site}]({each.source})"))


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
