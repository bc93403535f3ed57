"""``Interpreter``: the Python of an image, as a command of a suite would start it there.

An image that exists already says nothing of its Python: not where it is, not its version, not what it can import. So it
is asked, inside of the native runtime, and what it answers is as hostile as the rest of the image.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pipeline.declare.errors import BuildError
from runtime.backends.native.backend import NativeBackend
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import SeatrialError
from runtime.host import Host
from runtime.oci.document import member, parse_document, text, text_map
from runtime.outcome import Outcome
from runtime.plan import OUT, Plan, User

_RESULTS = f"{OUT}/interpreter.json"
_DEADLINE = 60_000
_PYTHON = re.compile(r"(python3?|pypy3?)(\.[0-9]+)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OLDEST = Version("3.6")
_OLDEST_BYTECODE = Version("3.7")  # PEP 552: byte-code by the hash of its source

# Runs under whatever Python 3 the image has. A site folder counts only if this interpreter looks there for .pth files.
_PROGRAM = """
import json, os, site, sys
folders = site.getsitepackages() if hasattr(site, "getsitepackages") else []
folders = [each for each in folders if each in sys.path]
packages = {}
for folder in sys.path:
    try:
        names = sorted(os.listdir(folder or "."))
    except (OSError, ValueError):
        continue
    for name in names:
        stem, dot, kind = name.rpartition(".")
        parts = stem.split("-")
        if kind in ("dist-info", "egg-info") and len(parts) > 1:
            packages.setdefault(parts[0], parts[1])
try:
    libc = (os.confstr("CS_GNU_LIBC_VERSION") or "").replace("glibc ", "")
except (OSError, ValueError):
    libc = ""
found = {
    "version": "%d.%d.%d" % sys.version_info[:3],
    "implementation": sys.implementation.name,
    "libc": libc,
    "executable": sys.executable or "",
    "site": os.path.realpath(folders[-1]) if folders else "",
    "packages": packages,
}
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(found, file)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A Python package that an image has."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python 3 of an image.

    Args:
        executable: its absolute path.
        version: such as ``3.11.2``.
        implementation: ``cpython`` and the like.
        libc: version of the GNU C library that it is linked with, such as ``2.36``; empty if it is another one.
        site: the last of the folders in which it looks for ``.pth`` files, relative to the root, with no link in it.
        packages: what it can import that was installed, by the names of the packages' own records.
    """

    executable: str
    version: str
    implementation: str
    libc: str
    site: str
    packages: tuple[Installed, ...]

    @property
    def minor(self) -> str:
        """The version that names folders: ``3.11``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def has_bytecode(self) -> bool:
        """Whether byte-code that it writes can name the hash of its source; another Python's is not written at all."""
        return self.implementation == "cpython" and Version(self.version) >= _OLDEST_BYTECODE

    def to_json(self) -> dict[str, Json]:
        """Return what decides a suite that is made for it."""
        return {
            "executable": self.executable,
            "implementation": self.implementation,
            "version": self.version,
            "site": self.site,
        }


def find_interpreter(
    layers: Sequence[Path], command: Sequence[str], environment: Mapping[str, str], *, architecture: str = ""
) -> Interpreter:
    """Return the Python that a command of a suite starts in an image.

    Args:
        layers: the image's unpacked layers, the lowest first.
        command: of the suite; one that starts no Python by its name leaves ``python3``, by the image's PATH.
        environment: the image's own variables.
        architecture: of the image, where it is not this machine's.

    Raises:
        BuildError: there is none, or it is too old or too odd; the message says why.
    """
    program = _program(command)
    with NativeBackend(lambda _: tuple(layers)) as backend:
        plan = _plan(program, environment, architecture)
        refused = backend.refusal(plan)
        if refused is not None:
            raise BuildError(f"the image's {program} cannot be asked here: {refused.reason}", hint=refused.hint)
        with backend.start(plan, evidence=False) as run:
            outcome = run.wait()
    if outcome.exit_code != 0 or outcome.results is None:
        raise BuildError(
            f"the image has no {program} that runs, and its suite needs one: {_last_words(outcome)}",
            hint="name it by its path in suite.command, or use `results: exit` without `python:`",
        )
    try:
        return parse_interpreter(outcome.results, program)
    except SeatrialError as error:
        raise BuildError(f"the image's {program} cannot be used: {error.message}", hint=error.hint) from error


def parse_interpreter(raw: bytes, program: str) -> Interpreter:
    """Read what an interpreter said of itself.

    Raises:
        RefusedError: it is malformed.
        BuildError: it is no Python that a suite can have.
    """
    what = f"the answer of {program}"
    said = parse_document(raw, what)
    found = {
        key: text(member(said, key, what), key) for key in ("version", "implementation", "libc", "executable", "site")
    }
    version, site = _version(found["version"]), PurePosixPath(found["site"])
    if version is None or version < _OLDEST:
        raise BuildError(f"it is Python {found['version'][:40]!a}, and a suite needs {_OLDEST} or newer")
    for key in ("site", "executable"):
        path = PurePosixPath(found[key])
        if not path.is_absolute() or ".." in path.parts or not found[key].isprintable() or path == PurePosixPath("/"):
            raise BuildError(f"it has the {key} {found[key][:80]!a}, which is no path of the image")
    packages = text_map(member(said, "packages", what), "packages")
    return Interpreter(
        executable=found["executable"],
        version=found["version"],
        implementation=found["implementation"],
        libc=found["libc"],
        site=str(site.relative_to("/")),
        packages=tuple(
            Installed(name=canonicalize_name(name), version=each)
            for name, each in sorted(packages.items())
            if _NAME.fullmatch(name) and _version(each) is not None
        ),
    )


def _program(command: Sequence[str]) -> str:
    first = command[0] if command else ""
    return first if _PYTHON.fullmatch(PurePosixPath(first).name) else "python3"


def _plan(program: str, environment: Mapping[str, str], architecture: str) -> Plan:
    bare = Plan(
        image=Digest.of(b""),
        suite=None,
        argv=(program, "-c", _PROGRAM, _RESULTS),
        workdir="/",
        environment=dict(environment),
        user=User(uid=0, gid=0, home="/root"),
        capabilities=(),
        deadline=_DEADLINE,
        results=_RESULTS,
    )
    cpus = str(min(2, len(os.sched_getaffinity(0))))
    return replace(Host(name="build", factors={"user": "root", "cpus": cpus}).apply(bare), architecture=architecture)


def _version(found: str) -> Version | None:
    try:
        return Version(found)
    except InvalidVersion:
        return None


def _last_words(outcome: Outcome) -> str:
    words = outcome.stderr.content[-600:].decode("utf-8", errors="replace").strip()
    return words or f"exit {outcome.exit_code}"
