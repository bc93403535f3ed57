"""``lock_pypi``: requirements to wheels, each pinned by file name, size and hash."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pipeline.build.artifact import LockedPackage
from pipeline.build.ecosystems.pypi.index import Listed, files, to_artifact
from pipeline.build.ecosystems.pypi.pinned_hashes import refuse_other_hashes
from pipeline.build.ecosystems.pypi.target import Target
from pipeline.build.ecosystems.pypi.uv_compile import compile_with_uv
from pipeline.build.fetch import Fetcher
from pipeline.declare.errors import NamedError, ResolveError
from pipeline.declare.image import PythonPart
from runtime.oci.temporary import scratch_folder

_OTHER_PLACES = re.compile(
    r"^\s*(-i\b|--index-url|--extra-index-url|-f\b|--find-links|-e\b|--editable|[^#\s]*://|[^#\n]*\s@\s|\.{0,2}/).*$",
    re.MULTILINE,
)
_BY_FILES = "take local code by 'files'; the index is configured on the machine (UV_DEFAULT_INDEX, pip's index-url)"


class Present(Protocol):
    """A Python package that an image has."""

    @property
    def name(self) -> str:
        """As its archive, or its own record, writes it."""

    @property
    def version(self) -> str:
        """Likewise."""


class _OutdatedError(ResolveError):
    """What uv chose is not what the index lists now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Python packages that were asked for.

    Args:
        packages: requirements (PEP 508).
        requirements: a requirements file.
        project: a pyproject.toml whose dependencies are wanted.
        extras: of the project.
        groups: dependency groups of the project.
    """

    packages: tuple[str, ...] = ()
    requirements: Path | None = None
    project: Path | None = None
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, part: PythonPart, directory: Path) -> "Wanted":
        """Return what the part ``python`` of a spec in ``directory`` asks for."""
        return cls(
            packages=part.packages,
            requirements=directory / part.requirements if part.requirements else None,
            project=directory / part.project / "pyproject.toml" if part.project else None,
            extras=part.extras,
            groups=part.groups,
        )


def lock_pypi(
    wanted: Wanted,
    target: Target,
    *,
    fetcher: Fetcher,
    work: Path,
    constraints: Mapping[str, str] | None = None,
    preferred: Mapping[str, str] | None = None,
) -> tuple[LockedPackage, ...]:
    """Return a wheel for every package that ``wanted`` needs on ``target``, sorted by name.

    Args:
        wanted: what was asked for.
        target: the image's Python.
        fetcher: reaches the index.
        work: a folder for uv, which many processes may share; its cache stays there and makes the next call fast.
        constraints: name → version that a package must have if it is needed.
        preferred: name → version that a package keeps if it can: those of an older lock.

    Raises:
        ResolveError: nothing satisfies the requirements, a package has no wheel for the target, or one comes from
            elsewhere than the index.
        FetchError: the index cannot be read.
    """
    if wanted == Wanted():
        return ()
    work.mkdir(parents=True, exist_ok=True)
    _refuse_other_places(wanted)
    try:
        locked = _lock(wanted, target, fetcher, work, constraints or {}, preferred or {}, ())
    except _OutdatedError:
        # uv keeps what an index said for some minutes, also where that was taken back as it was wrong or hostile.
        locked = _lock(wanted, target, fetcher, work, constraints or {}, preferred or {}, ("--refresh",))
    if wanted.requirements is not None:
        refuse_other_hashes(wanted.requirements, locked)
    return locked


def _lock(  # noqa: PLR0917 - one call of uv in all that decides it
    wanted: Wanted,
    target: Target,
    fetcher: Fetcher,
    work: Path,
    constraints: Mapping[str, str],
    preferred: Mapping[str, str],
    options: tuple[str, ...],
) -> tuple[LockedPackage, ...]:
    with scratch_folder(work) as own:
        output = own / "pylock.toml"
        found = []
        for platform in target.uv_platforms:
            output.unlink(missing_ok=True)
            if preferred:
                output.write_text(_preferences(preferred), encoding="utf-8")
            arguments = [*_arguments(wanted, target, own, constraints), *options, "--python-platform", platform]
            compile_with_uv([*arguments, "--output-file", str(output)], sources=fetcher.sources, work=work)
            found.append(_entries(output.read_text("utf-8")))
    require_same(found, target)
    return tuple(_locked(each, target, fetcher) for each in found[0])


def lock_tools(
    wanted: Wanted,
    target: Target,
    *,
    image: Sequence[Present],
    fetcher: Fetcher,
    work: Path,
    preferred: Mapping[str, str] | None = None,
) -> tuple[LockedPackage, ...]:
    """Return the wheels that a suite needs beside the packages of its image, which keep their versions.

    Args:
        wanted: the suite's packages.
        target: the image's Python.
        image: the Python packages that the image has.
        fetcher: as for ``lock_pypi``.
        work: likewise.
        preferred: likewise.

    Raises:
        ResolveError: as ``lock_pypi``; also a tool needs another version of a package than the image has.
        FetchError: the index cannot be read.
    """
    has: dict[str, str] = {canonicalize_name(each.name): each.version for each in image}
    try:
        found = lock_pypi(wanted, target, fetcher=fetcher, work=work, constraints=has, preferred=preferred)
    except ResolveError as error:
        if not has:
            raise
        # uv calls a constraint a requirement of yours: locking without them tells whose versions clash.
        free = lock_pypi(wanted, target, fetcher=fetcher, work=work, preferred=preferred)
        raise _clash(free, has, error) from None
    return tuple(each for each in found if each.name not in has)


def require_same(found: Sequence[Sequence[Mapping[str, Any]]], target: Target) -> None:
    """Refuse packages that depend on the machine, where uv can be asked of other machines only."""
    chosen: list[set[str]] = [{f"{each['name']} {each.get('version', '')}" for each in entries} for entries in found]
    differing = sorted(set[str]().union(*chosen) - chosen[0].intersection(*chosen))
    if differing:
        raise ResolveError(
            f"uv cannot tell which packages {target.machine} needs: on other machines {', '.join(differing)} are not "
            "needed everywhere",
            hint="pin each of them in the spec",
        )


def _clash(free: Sequence[LockedPackage], has: Mapping[str, str], error: ResolveError) -> ResolveError:
    clashing = [each for each in free if each.name in has and has[each.name] != each.version]
    names = ", ".join(f"{each.name} {each.version}, and the image has {has[each.name]}" for each in clashing)
    message = f"the suite's tools need another version than the image has: they would take {names}: {error.message}"
    return ResolveError(message, hint="pin a tool that accepts the image's version in suite.python")


def _refuse_other_places(wanted: Wanted) -> None:
    """Refuse requirements that would make uv reach, or run, anything but the index."""
    for each in wanted.packages:
        try:
            url = Requirement(each).url
        except InvalidRequirement as error:
            message = f"{each!r} is no requirement: {str(error).splitlines()[0]}"
            raise NamedError(message, hint="write it as 'croniter==6.0.0'", named=each, key="python") from None
        if url:
            raise ResolveError(f"{each!r} names a URL, and only packages of the index can be locked", hint=_BY_FILES)
    if wanted.requirements is None:
        return
    try:
        found = _OTHER_PLACES.search(wanted.requirements.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ResolveError(f"{wanted.requirements} cannot be read: {error}") from None
    if found:
        raise ResolveError(f"{wanted.requirements}: {found[0].strip()!r} is refused", hint=_BY_FILES)


def _arguments(wanted: Wanted, target: Target, work: Path, constraints: Mapping[str, str]) -> list[str]:
    arguments = ["--format", "pylock.toml", "--no-build", "--quiet"]
    arguments += ["--python-version", target.python]
    if wanted.packages:
        arguments.append(_written(work / "requirements.in", wanted.packages))
    if wanted.requirements is not None:
        arguments.append(str(wanted.requirements.absolute()))
    if wanted.project is not None:
        project = str(wanted.project.absolute())
        arguments += [project, *(f"--extra={extra}" for extra in wanted.extras)]
        arguments += [f"--group={project}:{group}" for group in wanted.groups]
    if constraints:
        pins = [f"{name}=={version}" for name, version in sorted(constraints.items())]
        arguments += ["--constraints", _written(work / "constraints.txt", pins)]
    return arguments


def _written(path: Path, lines: Sequence[str]) -> str:
    for line in lines:
        if "\n" in line or "\r" in line or line.lstrip().startswith("-"):
            raise ResolveError(f"{line!r} is no requirement")
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def _preferences(preferred: Mapping[str, str]) -> str:
    """Return the older versions as uv looks for them: in the file that it is to renew."""
    packages = "".join(
        f'\n[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in sorted(preferred.items())
    )
    return f'lock-version = "1.0"\ncreated-by = "uv"\n{packages}'


def _entries(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(text).get("packages", [])
    return sorted(found, key=lambda each: str(each["name"]))


def _locked(entry: Mapping[str, Any], target: Target, fetcher: Fetcher) -> LockedPackage:
    name, version = canonicalize_name(entry["name"]), str(entry.get("version", ""))
    elsewhere = sorted({"vcs", "directory", "archive"} & set(entry))
    if elsewhere:
        message = f"{name} comes from a {elsewhere[0]}, and only packages of the index can be locked"
        raise ResolveError(message, hint=_BY_FILES)
    wheels = {_file_name(each): each for each in entry.get("wheels", [])}
    best = target.best(wheels)
    if best is None:
        message = f"{name} {version} has no wheel for Python {target.minor} on {target.machine}, glibc 2.{target.glibc}"
        raise ResolveError(message, hint="choose a version that has one; building from source is not supported yet")
    return LockedPackage(
        name=name,
        version=version,
        architecture="",
        artifact=to_artifact(_listed(name, best, wheels[best], fetcher), fetcher),
    )


def _listed(name: str, file: str, wheel: Mapping[str, Any], fetcher: Fetcher) -> Listed:
    """Return what uv knows of the file; an index that tells no size or hash is asked for its own page."""
    hashes = wheel.get("hashes", {})
    if wheel.get("size") is not None and hashes.get("sha256"):
        return Listed(name=file, url=str(wheel["url"]), sha256=hashes["sha256"], size=wheel["size"])
    found = next((each for each in files(name, fetcher) if each.name == file), None)
    if found is None:
        raise _OutdatedError(
            f"the index does not list {file}, which uv chose",
            hint="the index may be amid an update: try again in some minutes, or another index",
        )
    return found


def _file_name(wheel: Mapping[str, Any]) -> str:

    return str(wheel.get("name") or unquote(urlsplit(str(wheel.get("url", ""))).path.rpartition("/")[2]))
