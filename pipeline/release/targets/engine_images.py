"""How an image gets into an engine, by digest, and how the engine is asked whether it is the one.

An engine that pulls keeps the digest of the manifest beside the repository's name. One that loads an archive knows an
image by the digest of its configuration, which names all its layers; both are in what was signed.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pipeline.declare.errors import TargetError
from pipeline.release.targets.engine import EngineClient, told
from pipeline.release.targets.engine_facts import digests_of
from pipeline.release.targets.target import Wanted
from runtime.backends.engines.archive import whole_archive
from runtime.digest import Digest
from runtime.oci.descriptor import Descriptor
from runtime.oci.layout import Layout

LOADED = "seatrial.local"
"""The registry, which there is not, in the names of images that were loaded."""


def prepare_image(engine: EngineClient, wanted: Wanted) -> None:
    """Have the image in the engine; one that is there is not fetched again.

    Raises:
        TargetError: it cannot be had, or what the engine has by that name is another image.
    """
    found = _found(engine, wanted)
    if found is None and wanted.repository:
        _pull(engine, wanted)
    elif found is None:
        _load(engine, wanted)
    found = found or _found(engine, wanted)
    if found is None:
        raise TargetError(f"{engine.name} took {wanted.image.digest} and does not find it")
    require_same(engine, wanted, found)


def image_name(engine: EngineClient, wanted: Wanted) -> str:
    """Return the name by which a container is made, once the image has been compared again: never a tag.

    Raises:
        TargetError: the engine has not got the image, or another one in its place.
    """
    found = _found(engine, wanted)
    if found is None:
        raise TargetError(f"{engine.name} has no image {wanted.image.digest} of {wanted.app} any more")
    require_same(engine, wanted, found)
    return f"{wanted.repository}@{wanted.image.digest}" if wanted.repository else str(found["Id"])


def config_of(wanted: Wanted) -> Digest:
    """Return the digest of an image's configuration."""
    return Descriptor.parse(wanted.image.manifest["config"], f"config of {wanted.image.digest}").digest


def require_same(engine: EngineClient, wanted: Wanted, found: Mapping[str, Any]) -> None:
    """Compare what an engine has with what was verified.

    Raises:
        TargetError: it is another image: neither the manifest nor the configuration is the same, or the layers differ.
    """
    layers = [str(each) for each in (found.get("RootFS") or {}).get("Layers") or ()]
    if digests_of({}, found) & {wanted.image.digest, config_of(wanted)} and layers == [
        each.text for each in wanted.image.diff_ids
    ]:
        return
    raise TargetError(
        f"{engine.name} has another image in place of {wanted.image.digest}: {found.get('Id')}",
        hint=f"remove it, `{engine.name} image rm --force {found.get('Id')}`, and deploy again",
    )


def _found(engine: EngineClient, wanted: Wanted) -> Mapping[str, Any] | None:
    """Look an image up by the digests that an engine may know it by: the manifest's, or the configuration's."""
    from docker.errors import NotFound  # noqa: PLC0415 - the SDK is large

    loaded = (wanted.image.digest.text, config_of(wanted).text)
    for name in (f"{wanted.repository}@{wanted.image.digest}",) if wanted.repository else loaded:
        with suppress(NotFound):
            found: Mapping[str, Any] = engine.api.inspect_image(name)
            return found
    return None


def _pull(engine: EngineClient, wanted: Wanted) -> None:
    with told(engine.name):
        for line in engine.api.pull(wanted.repository, tag=wanted.image.digest.text, stream=True, decode=True):
            if "error" in line:
                raise TargetError(
                    f"{engine.name} cannot pull {wanted.repository}@{wanted.image.digest}: {line['error']}",
                    hint=f"try `{engine.name} pull {wanted.repository}@{wanted.image.digest}`",
                )


def _load(engine: EngineClient, wanted: Wanted) -> None:
    with (
        told(engine.name),
        whole_archive(Layout(wanted.layout, make=False), wanted.image.digest, _tag(wanted)) as archive,
    ):
        for line in engine.api.load_image(archive):
            if "error" in line:
                raise TargetError(f"{engine.name} does not load {wanted.image.digest}: {line['error']}")


def _tag(wanted: Wanted) -> str:
    """Return a name that keeps an image from being swept as one that nobody has named; it is never looked up."""
    return f"{LOADED}/{wanted.app}:{wanted.image.digest.hex[:32]}"
