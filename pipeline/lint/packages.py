"""Rules about dpkg's database: what it says is installed, and what it knows of that.

Source: dpkg(1), "Package states"; deb-status as dpkg 1.21 writes it.
"""

import re
from collections.abc import Iterator
from functools import partial

from pipeline.lint.contents import Contents, Node
from pipeline.lint.rule import Found, Severity, files, rule

_STATUS = "var/lib/dpkg/status"
_INFO = "var/lib/dpkg/info"
_PENDING = re.compile(r"^var/lib/dpkg/(updates/\d+|triggers/Unincorp|lock.*-left)$")
_WHOLE = ("installed", "config-files", "not-installed")


@rule(
    "package-without-list",
    Severity.WARNING,
    why="No tool can tell which files are the package's: it cannot be removed, upgraded or scanned.",
    fix="Install the package again, or keep its list when files of dpkg are trimmed.",
    reads=f"^{_STATUS}$",
)
def package_without_list(contents: Contents) -> Iterator[Found]:
    """Find installed packages without their list of files."""
    for node, stanza in _stanzas(contents):
        name, architecture = stanza.get("Package", ""), stanza.get("Architecture", "")
        lists = (f"{_INFO}/{name}.list", f"{_INFO}/{name}:{architecture}.list")
        if _state(stanza) == "installed" and not any(contents.has(each) for each in lists):
            yield Found.at(node, f"lists {name[:60]} as installed, without its list of files")


@rule(
    "package-half-installed",
    Severity.ERROR,
    why="Its scripts failed or were never run: it does not work, and the next installation stops at it.",
    fix="Run `dpkg --configure -a` in the step that installs, and let the build fail where it does.",
    reads=f"^{_STATUS}$",
)
def package_half_installed(contents: Contents) -> Iterator[Found]:
    """Find packages between two states, and those that dpkg wants again."""
    for node, stanza in _stanzas(contents):
        if _state(stanza) not in _WHOLE or "reinstreq" in stanza.get("Status", ""):
            yield Found.at(node, f"has {stanza.get('Package', '')[:60]} as {stanza.get('Status', '')[:60]!r}")


@rule(
    "package-twice",
    Severity.ERROR,
    why="Tools disagree which version is there.",
    fix="Build the database by dpkg, or write each package once.",
    reads=f"^{_STATUS}$",
)
def package_twice(contents: Contents) -> Iterator[Found]:
    """Find packages of one architecture that the database has twice."""
    seen = set()
    for node, stanza in _stanzas(contents):
        name = (stanza.get("Package", ""), stanza.get("Architecture", ""))
        if name in seen:
            yield Found.at(node, f"lists {name[0][:60]} twice")
        seen.add(name)


@rule(
    "list-without-package",
    Severity.NOTE,
    why="Files of a package are there, and no scanner knows of them.",
    fix="Remove packages by dpkg, or keep the database whole.",
    reads=f"^{_STATUS}$",
)
def list_without_package(contents: Contents) -> Iterator[Found]:
    """Find lists of files of packages that the database has not."""
    known = {stanza.get("Package", "") for _, stanza in _stanzas(contents)}
    for node in files(contents, re.compile(rf"^{_INFO}/[^/]+\.list$")) if known else ():
        name = node.name.removesuffix(".list").partition(":")[0]
        if name not in known:
            yield Found.at(node, f"belongs to {name[:60]}, which the database has not")


@rule(
    "package-pending",
    Severity.WARNING,
    why="dpkg was interrupted: what it had not written yet is lost or done again.",
    fix="Run `dpkg --configure -a` in the step that installs.",
)
def package_pending(contents: Contents) -> Iterator[Found]:
    """Find what dpkg keeps while it is at work."""
    for node in files(contents, _PENDING):
        if node.entry.size:
            yield Found.at(node, "waits for dpkg")


def _stanzas(contents: Contents) -> Iterator[tuple[Node, dict[str, str]]]:
    node = contents.tree.get(_STATUS)
    if node is not None:
        for block in re.split(r"\n\s*\n", node.text):
            lines = filter(partial(re.match, r"(Package|Status|Architecture):"), block.splitlines())
            fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
            if "Package" in fields:
                yield node, fields


def _state(stanza: dict[str, str]) -> str:
    return stanza.get("Status", "install ok installed").rpartition(" ")[2]


RULES = (package_without_list, package_half_installed, package_twice, list_without_package, package_pending)
