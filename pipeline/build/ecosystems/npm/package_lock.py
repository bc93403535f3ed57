"""``read_package_lock``: what npm would install of a project, by its package-lock.json.

Source: npm's documentation, "package-lock.json", of versions 2 and 3 of the format.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.build.ecosystems.npm.integrity import Integrity
from pipeline.build.ecosystems.npm.platforms import fits
from pipeline.build.modules import NAME, is_module_path, name_at
from pipeline.declare.faults import Fault, Place, SourceFile, SpecFaults
from runtime.canonical import unique_keys

LOCK, MANIFEST = "package-lock.json", "package.json"
VERSIONS = (2, 3)
"""Of the format. Version 1, of npm 6 and older, does not say where each package is laid."""

VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
"""An exact version, as Semantic Versioning 2.0.0 has them."""

_LIMIT = 64 << 20
_RENEW = "run `npm install --package-lock-only` with npm 7 or newer, and commit the result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One package in one folder.

    Args:
        path: the folder, such as ``node_modules/a/node_modules/b``.
        name: in the registry; another one than the folder's where it has an alias.
        version: exact.
        integrity: the hashes that its tarball may have.
    """

    path: str
    name: str
    version: str
    integrity: Integrity


def read_package_lock(
    folder: Path, architecture: str, *, dev: bool = False, skip_scripts: frozenset[str] = frozenset()
) -> tuple[Entry, ...]:
    """Return what the package-lock.json in a folder has npm install, sorted by path.

    Left out are development dependencies, optional packages of other platforms, and what comes inside another
    package's tarball.

    Args:
        folder: has package.json and package-lock.json.
        architecture: in Debian's words.
        dev: whether development dependencies are wanted too.
        skip_scripts: names of packages whose install scripts need not run.

    Raises:
        SpecFaults: the file cannot be read or answers another package.json, or entries are refused: each with its line.
    """
    path = folder / LOCK
    reader = _Reader(path=path, text=_text(path), architecture=architecture, dev=dev, skip_scripts=skip_scripts)
    packages = reader.packages()
    reader.require_answers(folder / MANIFEST, packages.get("", {}))
    entries = tuple(entry for key in sorted(packages) if (entry := reader.entry(key, packages)) is not None)
    if reader.faults:
        raise SpecFaults(reader.faults)
    return entries


class _Reader:
    """One package-lock.json, and what is wrong with it."""

    def __init__(self, *, path: Path, text: str, architecture: str, dev: bool, skip_scripts: frozenset[str]) -> None:
        self.source = SourceFile(path, text)
        self.architecture = architecture
        self.dev = dev
        self.skip_scripts = skip_scripts
        self.faults: list[Fault] = []

    def packages(self) -> Mapping[str, Mapping[str, Any]]:
        """Return path → entry.

        Raises:
            SpecFaults: the file has another form.
        """
        data = _object(self.source)
        version = data.get("lockfileVersion")
        if version not in VERSIONS:
            known = " and ".join(str(each) for each in VERSIONS)
            message = f"it has 'lockfileVersion' {version!r}, and {known} are understood"
            raise SpecFaults([self.place("lockfileVersion").fault(message, hint=_RENEW)])
        packages = data.get("packages")
        if not isinstance(packages, dict) or not all(isinstance(each, dict) for each in packages.values()):
            raise SpecFaults([self.place("packages").fault("it has no table 'packages' of tables", hint=_RENEW)])
        return packages

    def require_answers(self, manifest: Path, root: Mapping[str, Any]) -> None:
        """Refuse a lock that was made of another package.json."""
        wanted = _asked(_object(SourceFile(manifest, _text(manifest))), dev=self.dev)
        locked = _asked(root, dev=self.dev)
        if wanted != locked:
            differ = sorted(name for name in {*wanted, *locked} if wanted.get(name) != locked.get(name))
            message = f"it answers an older {MANIFEST}, which has another version of {differ[0]!r}"
            self.faults.append(self.place("").fault(message, hint="run `npm install`, and commit the result"))

    def entry(self, key: str, packages: Mapping[str, Mapping[str, Any]]) -> Entry | None:
        """Return what is installed for an entry; None for nothing, and for what is refused, which is a fault."""
        about = packages[key]
        if not key or about.get("extraneous") is True or (about.get("dev") is True and not self.dev):
            return None
        problem, hint = next(self._problems(key, about), ("", ""))
        if problem:
            self.faults.append(self.place(key).fault(problem, hint=hint))
            return None
        if _is_bundled(key, packages) or (about.get("optional") is True and not fits(about, self.architecture)):
            return None
        problem, hint = next(self._refusals(key, about), ("", ""))
        if problem:
            self.faults.append(self.place(key).fault(problem, hint=hint))
            return None
        return Entry(
            path=key,
            name=about.get("name", name_at(key)),
            version=about["version"],
            integrity=Integrity.parse(about["integrity"]),
        )

    def place(self, key: str) -> Place:
        """Return where a key stands; the first line if it is written in another way than npm writes it."""
        written = json.dumps(key, ensure_ascii=False)
        match = re.search(rf"^\s*({re.escape(written)})\s*:", self.source.text, re.MULTILINE) if key else None
        if match is None:
            return Place(file=self.source)
        before = self.source.text[: match.start(1)]
        column = match.start(1) - before.rfind("\n")
        return Place(file=self.source, line=before.count("\n") + 1, column=column, length=len(written))

    @staticmethod
    def _problems(key: str, about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what no entry may be, whatever it is for."""
        if about.get("link") is True or str(about.get("resolved", "")).startswith("file:"):
            yield f"{key!r} is a link to a folder, and a package of a registry is wanted", _local_hint(key)
        if not is_module_path(key):
            yield f"{key[:200]!r} is no path such as 'node_modules/a'; it is refused", _local_hint(key)

    def _refusals(self, key: str, about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what an entry that is installed may not be."""
        name, version, resolved = about.get("name", name_at(key)), about.get("version"), about.get("resolved", "")
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            yield f"{key!r} has the name {name!r}, which is no name of a package", ""
        elif not isinstance(version, str) or not VERSION.fullmatch(version):
            yield f"{key!r} has the version {version!r}, which is no exact version such as 1.2.3", _RENEW
        elif not isinstance(resolved, str) or not _is_of_registry(resolved, name, version):
            yield f"{key!r} comes from {_shown(resolved)}, and no registry", f"ask for a released version of {name}"
        elif not isinstance(about.get("integrity"), str):
            yield f"{key!r} has no 'integrity', so nothing says which bytes it is", _RENEW
        elif problem := _integrity_problem(about["integrity"]):
            yield f"{key!r} has an 'integrity' that is refused: {problem}", _RENEW
        elif not fits(about, self.architecture):
            yield f"{key!r} is not made for linux on {self.architecture}", f"npm would refuse {name} there too"
        elif about.get("hasInstallScript") is True and name not in self.skip_scripts:
            message = f"{name} {version} runs a program when it is installed, and none is run here"
            yield message, f"if it works without, add it to node's 'skip-scripts': [{name}]"


def _object(source: SourceFile) -> dict[str, Any]:
    try:
        data = json.loads(source.text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        reason = "its JSON nests too deeply" if isinstance(error, RecursionError) else str(error)
        raise SpecFaults([Place(file=source, line=line).fault(f"it cannot be read: {reason}")]) from None
    if not isinstance(data, dict):
        raise SpecFaults([Place(file=source).fault("it is no JSON object")])
    return data


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_LIMIT + 1)
        if len(raw) > _LIMIT:
            raise SpecFaults([Fault(path=path, message=f"it is larger than {_LIMIT >> 20} MiB")])
        return raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SpecFaults([Fault(path=path, message=f"it cannot be read: {reason}")]) from None


def _asked(about: Mapping[str, Any], *, dev: bool) -> dict[str, Any]:
    """Return name → range of what a package.json, or a lock's copy of it, asks for."""
    asked: dict[str, Any] = {}
    for key in (
        ("devDependencies", "dependencies", "optionalDependencies")
        if dev
        else (
            "dependencies",
            "optionalDependencies",
        )
    ):
        found = about.get(key)
        asked |= found if isinstance(found, dict) else {}
    return asked


def _is_bundled(key: str, packages: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether a package comes inside the tarball of one above it; the project itself has no tarball."""
    return packages[key].get("inBundle") is True and key.count("node_modules/") > 1


def _is_of_registry(resolved: str, name: str, version: str) -> bool:
    """Tell whether a URL is where registries have a version's tarball; its host is not asked, for it is never used."""
    if not resolved:
        return True
    try:
        parts = urlsplit(resolved)
    except ValueError:
        return False
    file = f"/{name}/-/{name.rpartition('/')[2]}-{version.partition('+')[0]}.tgz"
    return parts.scheme in {"http", "https"} and unquote(parts.path).endswith(file)


def _shown(resolved: object) -> str:
    """Return a source without what may be a password in it."""
    text = re.sub(r"//[^/@]*@", "//", str(resolved))
    return repr(text.partition("?")[0].partition("#")[0][:120])


def _integrity_problem(text: str) -> str:
    try:
        Integrity.parse(text)
    except ValueError as error:
        return str(error)
    return ""


def _local_hint(key: str) -> str:
    return f"lay {key.rpartition('/')[2]!r} down by `files`, or publish it"
