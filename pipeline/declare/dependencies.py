"""What a lock answers: the keys of ``image``, ``suite`` and ``services``, and the dependency files that they name."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pipeline.declare.faults import Fault, SpecFaults
from pipeline.declare.image import BuiltImage, NodePart, PythonPart
from pipeline.declare.requirements import requirement_files
from pipeline.declare.spec import EnvSpec
from pipeline.declare.tree import refusal
from pipeline.declare.validate import KeyPath, place_of
from pipeline.declare.values import FORMAT
from runtime.canonical import Json
from runtime.digest import Digest

PROJECT_KEYS = ("project", "dependency-groups", "build-system", "tool.uv")
"""Tables of a pyproject.toml that decide what is locked; its other tables make no lock stale."""

NODE_FILES = ("package.json", "package-lock.json")
"""What a Node project is locked from."""


def answers(spec: EnvSpec) -> Digest:
    """Return the digest that a lock of ``spec`` answers.

    It is over the keys that the spec sets under ``image``, ``suite`` and ``services``, normalized, without defaults,
    and over the dependency files that they name. Comments, ``hosts``, ``ignore`` and the app's own files are not in it.

    Raises:
        SpecFaults: a dependency file cannot be read.
    """
    return Digest.of_json(
        {
            "format": FORMAT,
            "image": spec.image_digest_data,
            "suite": spec.suite_digest_data,
            "services": spec.services_digest_data,
            "files": {name: str(digest) for name, digest in dependency_files(spec).items()},
        }
    )


def dependency_files(spec: EnvSpec) -> dict[str, Digest]:
    """Return the dependency files that the spec names, and those that they name, relative to its folder → digest.

    Raises:
        SpecFaults: one cannot be read, or leaves the project's tree.
    """
    found: dict[str, Digest] = {}
    faults: list[Fault] = []
    for path, written, kind in _named(spec):
        try:
            for name, content in _contents(spec, written, kind):
                found[name] = Digest.of(content)
        except (OSError, ValueError) as error:
            reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            message = f"{written!r} cannot be used: {reason}"
            faults.append(
                place_of(spec.source, path).fault(message) if spec.source else Fault(path=spec.path, message=message)
            )
    if faults:
        raise SpecFaults(faults)
    return dict(sorted(found.items()))


def _images(spec: EnvSpec) -> Iterator[tuple[KeyPath, BuiltImage]]:
    if isinstance(spec.image, BuiltImage):
        yield ("image",), spec.image
    for name, service in spec.services.items():
        if isinstance(service.image, BuiltImage):
            yield ("services", name, "image"), service.image


def _named(spec: EnvSpec) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield the keys, the path as written and the kind of each dependency file."""
    for prefix, image in _images(spec):
        if image.debian.keys is not None:
            yield (*prefix, "debian", "keys"), image.debian.keys, "file"
        yield from _named_by_parts(prefix, image.python, image.node)
    yield from _named_by_parts(("suite",), spec.suite.python, spec.suite.node)


def _named_by_parts(
    prefix: KeyPath, python: PythonPart | None, node: NodePart | None
) -> Iterator[tuple[KeyPath, str, str]]:
    if python is not None and python.requirements is not None:
        yield (*prefix, "python", "requirements"), python.requirements, "requirements"
    if python is not None and python.project is not None:
        yield (*prefix, "python", "project"), python.project, "python"
    if node is not None and node.project is not None:
        yield (*prefix, "node", "project"), node.project, "node"


def _contents(spec: EnvSpec, written: str, kind: str) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content, as far as it decides a lock, of each file that a dependency file stands for."""
    written = Path(written).as_posix()
    if kind == "requirements":
        for name in requirement_files(spec.path, written):
            yield name, (spec.directory / name).read_bytes()
    elif kind == "python":
        name = (Path(written) / "pyproject.toml").as_posix()
        yield name, _project_tables((spec.directory / name).read_bytes())
    elif kind == "node":
        for each in NODE_FILES:
            name = (Path(written) / each).as_posix()
            reason = refusal(spec.path, name)
            if reason:
                raise ValueError(reason)
            yield name, (spec.directory / name).read_bytes()
    else:
        yield written, (spec.directory / written).read_bytes()


def _project_tables(content: bytes) -> bytes:
    data = tomllib.loads(content.decode())
    tables: dict[str, Json] = {}
    for key in PROJECT_KEYS:
        value: Json = data
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            tables[key] = value
    # default=str: TOML has dates and floats, which canonical JSON has not
    return json.dumps(tables, sort_keys=True, default=str).encode()
