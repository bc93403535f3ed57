"""Images that exist already: found where a spec or a caller says they are, and taken as they are, digest and all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.build.artifact import LockedPackage
from pipeline.build.ecosystems.pypi.target import Target
from pipeline.build.interpreter import Interpreter, find_interpreter
from pipeline.build.lock import LockedTree
from pipeline.build.unpacked import trees_of
from pipeline.declare.errors import BuildError
from pipeline.declare.image import AnyImage, ExistingImage
from pipeline.declare.spec import EnvSpec, ResultsFormat
from pipeline.registry.http import Connections
from pipeline.registry.registry import Registry
from runtime.data import replace
from runtime.digest import Digest
from runtime.errors import ImageError
from runtime.oci.copy import copy_image, is_whole
from runtime.oci.descriptor import MANIFEST, Descriptor
from runtime.oci.docker_archive import convert_docker_archive
from runtime.oci.document import DOCUMENT_LIMIT
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.platform import own_architecture
from runtime.oci.reference import Reference, find_image, parse_reference, wrong_platform
from runtime.oci.remote import is_remote, parse_remote
from runtime.oci.store import Blobs

ARCHIVE = "docker-archive:"
"""What names of images in an archive of `docker save` begin with: ``docker-archive:FILE[:NAME:TAG]``."""

DAEMON = "docker-daemon:"
"""What names of images of a Docker Engine begin with: ``docker-daemon:NAME[:TAG]``."""

_CONVERTED = (ARCHIVE, DAEMON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """From where to where images are taken.

    Args:
        directory: that relative paths start at.
        store: the folder of the store; its layout is ``oci``.
        connections: reach registries.
    """

    directory: Path
    store: Path
    connections: Connections

    @property
    def layout(self) -> Layout:
        """The store's images."""
        return Layout(self.store / "oci")


def pin(image: ExistingImage, ways: Ways, architecture: str) -> Image:
    """Find what a reference means now, and take it into the store.

    Args:
        image: says where it is.
        ways: from where to where.
        architecture: which of several platforms is meant.

    Raises:
        ImageError, StoreError, DigestError, RefusedError: there is none, or it is damaged or hostile.
        FetchError: its registry cannot be read.
    """
    if is_remote(image.from_):
        registry = Registry(parse_remote(image.from_), ways.connections)
        return _copied(registry.find(architecture), registry, image, ways, architecture)
    if image.from_.startswith(_CONVERTED):
        return _converted(image, ways, architecture)
    reference, source = _layout(image, ways)
    return _copied(find_image(reference, source, architecture), source, image, ways, architecture)


def take(image: AnyImage, locked: LockedTree, ways: Ways, architecture: str) -> Image:
    """Return the image that a lock pins, from the store; where it is not there yet, from where the spec says.

    Args:
        image: says where it is.
        locked: pins its manifest.
        ways: from where to where.
        architecture: that it must be for.

    Raises:
        BuildError: the lock pins none, or it is in neither place.
        ImageError, StoreError, DigestError, RefusedError: it is damaged or hostile.
        FetchError: its registry cannot be read.
    """
    if not isinstance(image, ExistingImage) or locked.existing is None:
        raise BuildError("the lock pins no image, only packages", hint="run `seatrial lock SPEC`")
    digest = locked.existing.manifest
    if is_whole(digest, ways.layout):
        return _checked(Image.open(ways.layout, digest), image.from_, architecture)
    if is_remote(image.from_):
        registry = Registry(parse_remote(image.from_), ways.connections)
        return _copied(registry.find(architecture, digest), registry, image, ways, architecture)
    if image.from_.startswith(_CONVERTED):
        converted = _converted(image, ways, architecture)
        if converted.digest != digest:
            raise _gone(image, digest)
        return converted
    _, source = _layout(image, ways)
    if not source.has(digest):
        raise _gone(image, digest)
    return _copied(digest, source, image, ways, architecture)


def interpreter_of(spec: EnvSpec, image: Image, store: Path) -> Interpreter | None:
    """Return the Python of an image that a spec's suite needs, None if it needs none.

    Raises:
        BuildError: the image has none that a suite can have.
        StoreError, RefusedError: a layer cannot be unpacked.
    """
    if spec.suite.python is None and spec.suite.results != ResultsFormat.PYTEST:
        return None
    is_own = image.architecture in ("", own_architecture())
    return find_interpreter(
        trees_of(store).paths(image.layers),
        spec.suite.command,
        image.environment,
        architecture="" if is_own else image.architecture,
    )


def target_of(python: Interpreter, architecture: str) -> Target:
    """Return what wheels are chosen for beside an image.

    Raises:
        BuildError: there are none for such a Python.
    """
    if python.implementation != "cpython" or not python.libc:
        library = f"glibc {python.libc}" if python.libc else "another C library than glibc"
        raise BuildError(
            f"the image's Python is {python.implementation} {python.version} with {library}, and wheels are chosen for "
            "CPython with glibc only",
            hint="install the suite's tools in the image, and leave out `suite.python`",
        )
    return Target.of_debian(python=python.version, libc=python.libc, architecture=architecture)


def check_tools(locked: LockedTree, tools: Sequence[LockedPackage], python: Interpreter, architecture: str) -> None:
    """Refuse an image beside which the wheels of a lock are not what they were chosen for.

    Args:
        locked: the image that they were chosen for.
        tools: the wheels.
        python: of the image.
        architecture: of both.

    Raises:
        BuildError: the message names what differs.
    """
    if not tools:
        return
    wanted = Target.of_debian(python=locked.interpreter, libc=locked.libc, architecture=architecture)
    here = target_of(python, architecture)
    if here.minor != wanted.minor or here.glibc < wanted.glibc:
        raise BuildError(
            f"the suite is locked for Python {wanted.minor} and glibc 2.{wanted.glibc}, and the image has Python "
            f"{here.minor} and glibc 2.{here.glibc}",
            hint="write a spec for this image, with `image: {from: …}`, and lock it",
        )
    has = {each.name: each.version for each in python.packages}
    clashing = [
        f"{each.name} {each.version}, and the image has {has[each.name]}"
        for each in tools
        if has.get(each.name, each.version) != each.version
    ]
    if clashing:
        raise BuildError(f"the suite's tools need another version than the image has: {', '.join(clashing)}")


def _copied(digest: Digest, source: Blobs, image: ExistingImage, ways: Ways, architecture: str) -> Image:
    _checked(Image.open(source, digest), image.from_, architecture)
    return copy_image(digest, source, ways.layout, names=(digest.text,))


def _converted(image: ExistingImage, ways: Ways, architecture: str) -> Image:
    """Return an image of Docker's, which has no manifest before it is taken."""
    if image.from_.startswith(DAEMON):
        from pipeline.build.daemon import convert_from_engine  # noqa: PLC0415 - few images are there

        digest = convert_from_engine(image.from_.removeprefix(DAEMON), ways.layout)
    else:
        place, _, name = image.from_.removeprefix(ARCHIVE).partition(":")
        digest = convert_docker_archive(ways.directory / place, name, ways.layout)
    found = _checked(Image.open(ways.layout, digest), image.from_, architecture)
    raw = ways.layout.read(digest, DOCUMENT_LIMIT)
    ways.layout.add_manifest(Descriptor(media_type=MANIFEST, digest=digest, size=len(raw)), name=digest.text)
    return found


def _gone(image: ExistingImage, digest: Digest) -> BuildError:
    return BuildError(
        f"the lock pins {digest}, and {image.from_} has no such image any more",
        hint="put it back, or lock what is there now with `seatrial lock SPEC`",
    )


def _layout(image: ExistingImage, ways: Ways) -> tuple[Reference, Layout]:
    """Return what an image is called, and the layout that it is looked up in; a relative one begins at a folder."""
    reference = parse_reference(image.from_)
    if reference.layout is None:
        return reference, ways.layout
    located = ways.directory / reference.layout
    return replace(reference, layout=located), Layout.existing(located)


def _checked(image: Image, name: str, architecture: str) -> Image:
    """Return an image that can be verified.

    Raises:
        ImageError: it is a suite tree, or for another platform.
    """
    if image.is_suite:
        raise ImageError(f"{name} is a suite tree, which no image is", hint="name its image")
    platform = f"{image.system or 'linux'}/{image.architecture or architecture}"
    if platform != f"linux/{architecture}":
        raise wrong_platform(name, [platform], architecture)
    return image
