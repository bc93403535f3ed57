"""``Lock``: every package by version, archive, path, size and hash, and the digest of the spec that it answers."""

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Self

from pipeline.build.artifact import LockedPackage
from pipeline.build.modules import LockedModule
from pipeline.declare.errors import LockError, StaleLockError
from runtime.canonical import Json, unique_keys
from runtime.digest import Digest
from runtime.errors import DigestError, ImageError
from runtime.oci import temporary
from runtime.oci.remote import parse_remote

FORMAT = 1
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_SIZE_LIMIT = 32 << 20
_CONFLICT = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
"""What git leaves in a file of which both sides of a merge changed the same lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """What is locked of an image that exists already.

    Args:
        manifest: its digest; that of the architecture's own manifest where there is an index.
        python: version of the Python that the suite's wheels were chosen for; empty for none.
        libc: version of the GNU C library that they were chosen for; empty for none.
    """

    manifest: Digest
    python: str = ""
    libc: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return it as a lock holds it."""
        return {"manifest": self.manifest.text, "python": self.python, "libc": self.libc}

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Return what ``to_json`` wrote.

        Raises:
            LockError: it has another form.
        """
        match value:
            case {"manifest": str(manifest), "python": str(python), "libc": str(libc), **rest} if not rest:
                return cls(manifest=_digest(manifest), python=python, libc=libc)
            case _:
                raise LockError("'from' in a lock has the texts 'manifest', 'python' and 'libc', and nothing else")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedTree:
    """What one tree is made of, the image's or the suite's.

    Args:
        debian: Debian packages, sorted by name; the suite's are those that the image has not.
        python: wheels, sorted by name.
        sources: source distributions whose files the tree takes.
        node: packages of npm, sorted by name; a lock without any has no such list.
        stages: name → what the stage is made of, Debian packages and source distributions; a lock without any has no
            such section.
        existing: of an image that exists already, and holds none of the others.
    """

    debian: tuple[LockedPackage, ...] = ()
    python: tuple[LockedPackage, ...] = ()
    sources: tuple[LockedPackage, ...] = ()
    node: tuple[LockedModule, ...] = ()
    stages: Mapping[str, "LockedTree"] = field(default_factory=lambda: MappingProxyType({}))
    existing: Existing | None = None

    @property
    def packages(self) -> tuple[LockedPackage, ...]:
        """All that are in it; those of its stages are not."""
        return (*self.debian, *self.python, *self.sources, *(each.package for each in self.node))

    @property
    def inputs(self) -> tuple[LockedPackage, ...]:
        """All that making it takes: its own packages, then those of its stages; what two have is there twice."""
        return (*self.packages, *(each for name in sorted(self.stages) for each in self.stages[name].packages))

    @property
    def interpreter(self) -> str:
        """The version of Python, of the Debian package that holds it as ``3.11.2-6+deb12u6``; empty for none."""
        return self.existing.python if self.existing else python_version(self.debian)

    @property
    def libc(self) -> str:
        """The version of the GNU C library, as ``interpreter``."""
        if self.existing:
            return self.existing.libc
        return {each.name: each.version for each in self.debian}.get("libc6", "")

    def to_json(self) -> dict[str, Json]:
        """Return the tree as a lock holds it."""
        if self.existing is not None:
            return {"from": self.existing.to_json()}
        tree: dict[str, Json] = {
            "debian": [each.to_json() for each in self.debian],
            "python": [each.to_json() for each in self.python],
            "sources": [each.to_json() for each in self.sources],
        }
        if self.node:
            tree["node"] = [each.to_json() for each in self.node]
        if self.stages:
            tree["stages"] = {name: each.to_json() for name, each in sorted(self.stages.items())}
        return tree

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Return the tree that ``to_json`` wrote.

        Raises:
            LockError: it has another form.
        """
        match value:
            case {"from": existing, **rest} if not rest:
                return cls(existing=Existing.from_json(existing))
            case {"debian": [*debian], "python": [*python], "sources": [*sources], **rest} if not rest.keys() - {
                "node",
                "stages",
            }:
                return cls(
                    debian=_each_once(debian),
                    python=_each_once(python),
                    sources=tuple(LockedPackage.from_json(each) for each in sources),
                    node=_modules(rest.get("node", [])),
                    stages=_stages(rest.get("stages", {})),
                )
            case _:
                raise LockError(
                    "a tree in a lock has the lists 'debian', 'python' and 'sources', 'node' and 'stages' if it has "
                    "any, or 'from', and nothing else"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What is locked for one architecture.

    Args:
        image: of the environment's own image.
        suite: of its suite.
        services: name → of a service's image; a lock without services has no such section.
    """

    image: LockedTree
    suite: LockedTree
    services: Mapping[str, LockedTree] = field(default_factory=lambda: MappingProxyType({}))

    def to_json(self) -> dict[str, Json]:
        """Return the section as a lock holds it."""
        section: dict[str, Json] = {"image": self.image.to_json(), "suite": self.suite.to_json()}
        if self.services:
            section["services"] = {name: each.to_json() for name, each in sorted(self.services.items())}
        return section


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What a spec was resolved to.

    Args:
        answers: digest of the parts of the spec that it answers.
        epoch: seconds since 1970; no time in the image or the suite is later.
        locked: when the archives were read, seconds since 1970: the time for their snapshot services.
        debian: the suite whose packages these are, such as ``bookworm``; empty where the image exists already.
        platforms: Debian architecture → what is locked for it.
        vendored: the artifact in a registry that has every byte of it, ``HOST/NAME@sha256:…``; empty for none.
    """

    answers: Digest
    epoch: int
    locked: int
    debian: str
    platforms: Mapping[str, Platform]
    vendored: str = ""

    @property
    def digest(self) -> Digest:
        """Over what decides the bytes: a lock made again later from the same packages has the same digest."""
        return Digest.of_json(
            {key: value for key, value in self.to_json().items() if key not in {"locked", "vendored"}}
        )

    def to_json(self) -> dict[str, Json]:
        """Return the lock as its file holds it."""
        document: dict[str, Json] = {
            "seatrial": FORMAT,
            "answers": self.answers.text,
            "epoch": _time(self.epoch),
            "locked": _time(self.locked),
            "debian": self.debian,
            "architectures": {name: each.to_json() for name, each in sorted(self.platforms.items())},
        }
        return document | {"vendored": self.vendored} if self.vendored else document

    @classmethod
    def from_json(cls, value: Json) -> Self:
        """Return the lock that ``to_json`` wrote.

        Raises:
            LockError: it has another form, or another format number.
        """
        match value:
            case {
                "seatrial": int(number),
                "answers": str(answers),
                "epoch": str(epoch),
                "locked": str(locked),
                "debian": str(debian),
                "architectures": Mapping() as platforms,
                **rest,
            } if not rest.keys() - {"vendored"} and number == FORMAT:
                return cls(
                    answers=_digest(answers),
                    epoch=_seconds(epoch),
                    locked=_seconds(locked),
                    debian=debian,
                    platforms={name: _platform(each) for name, each in platforms.items()},
                    vendored=_vendored(rest.get("vendored", "")),
                )
            case {"seatrial": int(number)} if number > FORMAT:
                raise LockError(
                    f"the lock has format {number}, and this Seatrial reads {FORMAT}",
                    hint="install a newer Seatrial, from where this one came",
                )
            case _:
                raise LockError(
                    "a lock has the keys 'seatrial', 'answers', 'epoch', 'locked', 'debian' and 'architectures', "
                    "'vendored' if it has that, and no others"
                )


def python_version(debian: tuple[LockedPackage, ...]) -> str:
    """Return the version of the package that holds the interpreter; empty if none of them does."""
    found = [
        each.version
        for each in debian
        if each.name.startswith("python3.") and each.name.endswith("-minimal") and not each.name.startswith("lib")
    ]
    return found[0] if found else ""


def lock_path(spec: Path) -> Path:
    """Return where the lock of a spec lies: beside it, ``NAME.lock.json``."""
    return spec.with_name(f"{spec.stem}.lock.json")


def read_lock(path: Path) -> Lock:
    """Return the lock in a file.

    Raises:
        LockError: the file cannot be read, or is no lock; the message names it.
        FileNotFoundError: there is none.
    """
    try:
        return Lock.from_json(json.loads(_bounded(path), object_pairs_hook=unique_keys))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError, LockError) as error:
        reason = _reason(error)
        hint = f"restore it, or remove it and run `seatrial lock {_spec_of(path)}`"
        place = str(path)
        if isinstance(error, LockError) and error.hint:
            hint = error.hint
        elif isinstance(error, json.JSONDecodeError):
            place = f"{path}:{error.lineno}:{error.colno}"
            if _CONFLICT.search(error.doc):
                reason = "it holds both sides of a merge that nobody decided"
                hint = f"take one side (git checkout --ours {path}), then run `seatrial lock {_spec_of(path)}`"
        raise LockError(f"{place}: {reason}", hint=hint) from error


def check_answers(lock: Lock, spec: Path, wanted: Digest) -> None:
    """Refuse a lock that answers an older spec.

    Raises:
        StaleLockError: it does; the hint is the command that renews it.
    """
    if lock.answers != wanted:
        raise StaleLockError(
            f"{lock_path(spec)} answers an older {spec} (locked {lock.answers.short}, spec is {wanted.short})",
            hint=f"run `seatrial lock {spec}` and commit the result",
        )


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock, whole or not at all: a new file takes the place of the old one.

    What an earlier writer left beside it that was killed is removed.

    Raises:
        LockError: the folder takes no file.
    """
    text = json.dumps(lock.to_json(), indent=1, ensure_ascii=False) + "\n"
    prefix = f".{path.name}.new-"
    try:
        temporary.sweep(path.parent, prefix=prefix)
        temporary.write_whole(path, text.encode(), prefix=prefix)
    except OSError as error:
        raise LockError(
            f"{path} cannot be written: {error.strerror}",
            hint="a lock lies beside its spec: make the folder writable, or lock in a copy of the project",
        ) from error


def _bounded(path: Path) -> bytes:
    # A pipe would be waited for without end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise LockError("it is no file")
        raw = file.read(_SIZE_LIMIT + 1)
    if len(raw) > _SIZE_LIMIT:
        raise LockError(f"it is larger than {_SIZE_LIMIT >> 20} MiB")
    return raw


def _reason(error: Exception) -> str:
    match error:
        case LockError():
            return error.message
        case RecursionError():
            return "it is no lock: its JSON nests too deeply"
        case json.JSONDecodeError():
            return f"it is no JSON: {error.msg.removesuffix(' starting at')}"
        case OSError():
            return error.strerror or str(error)
        case UnicodeDecodeError():
            return f"it is no JSON: {error}"
        case _:
            return str(error)


def _spec_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".lock.json") + ".yaml")


def _platform(value: Json) -> Platform:
    match value:
        case {"image": image, "suite": suite, **rest} if not rest.keys() - {"services"}:
            return Platform(
                image=LockedTree.from_json(image),
                suite=LockedTree.from_json(suite),
                services=_services(rest.get("services", {})),
            )
        case _:
            raise LockError(
                "an architecture in a lock has the keys 'image' and 'suite', 'services' if it has any, and no others"
            )


def _each_once(values: list[Json]) -> tuple[LockedPackage, ...]:
    packages = tuple(LockedPackage.from_json(each) for each in values)
    names = [each.name for each in packages]
    twice = next((each for each in names if names.count(each) > 1), "") if len(set(names)) < len(names) else ""
    if twice:
        raise LockError(f"it names the package {twice!r} twice in one tree")
    return packages


def _modules(value: object) -> tuple[LockedModule, ...]:
    if not isinstance(value, list):
        raise LockError("'node' in a lock is a list of packages")
    return tuple(LockedModule.from_json(each) for each in value)


def _stages(value: object) -> dict[str, LockedTree]:
    if not isinstance(value, Mapping):
        raise LockError("'stages' in a lock maps names to trees")
    found = {name: LockedTree.from_json(each) for name, each in value.items()}
    if any(each.stages or each.node or each.python or each.existing for each in found.values()):
        raise LockError("a stage in a lock has Debian packages and source distributions, and nothing else")
    return found


def _services(value: object) -> dict[str, LockedTree]:
    if not isinstance(value, Mapping):
        raise LockError("'services' in a lock maps names to trees")
    return {name: LockedTree.from_json(each) for name, each in value.items()}


def _vendored(value: object) -> str:
    try:
        if value == "" or (isinstance(value, str) and parse_remote(value).digest is not None):
            return value
    except (ImageError, DigestError) as error:
        raise LockError(f"'vendored' in a lock: {error.message}") from error
    raise LockError("'vendored' in a lock names an artifact by its digest, HOST/NAME@sha256:…")


def _digest(text: str) -> Digest:
    try:
        return Digest(text)
    except DigestError as error:
        raise LockError(error.message) from error


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)


def _seconds(text: str) -> int:
    try:
        return int(datetime.strptime(text, _TIME).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise LockError(f"{text!r} is no time such as 2026-01-01T00:00:00Z") from error
