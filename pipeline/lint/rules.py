"""``RULES``: the table of all rules; the reference is made from it: ``python -m pipeline.lint.rules``."""

import sys
from collections.abc import Iterator

from pipeline.lint import (
    accounts,
    archive,
    bytecode,
    config,
    credentials,
    host,
    leftovers,
    loader,
    packages,
    permissions,
)
from pipeline.lint.rule import Rule

SUBJECTS = {
    "Secrets": credentials.RULES,
    "The machine and the network of the build": host.RULES,
    "What a build leaves behind": leftovers.RULES,
    "Byte-code": bytecode.RULES,
    "Libraries and links": loader.RULES,
    "Rights": permissions.RULES,
    "Packages": packages.RULES,
    "Users": accounts.RULES,
    "Layers": archive.RULES,
    "Configuration": config.RULES,
}
"""The rules by what they are about."""

RULES: tuple[Rule, ...] = tuple(rule for rules in SUBJECTS.values() for rule in rules)

_ABOUT = """\
# Lint

<!-- generated: python -m pipeline.lint.rules -->

`seatrial lint SPEC|IMAGE…` looks for what an image should not hold, and for what in it is stale. It reads layers as
hostile and writes nothing of them to a disk. It exits with 1 if an error was found; warnings and notes change nothing.
`--json` prints each finding with its path and layer. No secret is ever printed, only where it stands.

    seatrial lint envs/web.yaml        # built first, as `seatrial build` does
    seatrial lint web oci:DIR:NAME     # images, as `seatrial run` names them

A code is stable: once it is here, it means the same for ever. What cannot be told from the image alone is not told:
a set-user-id program is one of a package if dpkg lists it and Debian ships it so; a mirror is one if its address means
something in one network only, or if it carries a distribution's archive under another name.
"""


def to_markdown() -> str:
    """Return the page of the reference."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f"{_ABOUT}\nThere are {len(RULES)} rules."
    for subject, rules in SUBJECTS.items():
        yield f"\n## {subject}\n"
        yield "| code | severity | why it matters | what to do |"
        yield "| --- | --- | --- | --- |"
        yield from (f"| `{each.code}` | {each.severity} | {each.why} | {each.fix} |" for each in rules)


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
