"""What a lock has for each part of its spec.

It answers the spec by a digest; but it is a file that others can write, and somebody may have cut a part out of it.
"""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.build.artifact import LockedPackage
from pipeline.build.lock import LockedTree, Platform
from pipeline.declare.image import AnyImage, BuiltImage, FilesEntry, SdistFiles, UrlFile
from pipeline.declare.spec import EnvSpec
from pipeline.registry.access import shown


def locked_source(entry: SdistFiles | UrlFile, tree: LockedTree) -> LockedPackage | None:
    """Return what is locked of a file that an entry names, or None."""
    if isinstance(entry, UrlFile):
        return next((each for each in tree.sources if each.artifact.hash == f"sha256:{entry.sha256}"), None)
    wanted = entry.sdist.lower().replace("_", "-")
    named = (each for each in tree.sources if f"{each.name.lower().replace('_', '-')}=={each.version}" == wanted)
    return next(named, None)


def lacking_section(spec: EnvSpec, platform: Platform) -> str:
    """Return what a spec names and its lock does not have for an architecture; empty for nothing."""
    parts = [("image", spec.image, platform.image)]
    for name, service in spec.services.items():
        if name not in platform.services:
            return f"section of the service {name!r}"
        parts.append((f"service {name!r}", service.image, platform.services[name]))
    lacking = [f"{each} of the {where}" for where, image, tree in parts for each in _of_image(image, tree)]
    lacking += [f"{each} of the suite" for each in _of_files(spec.suite.files, platform.suite)]
    return next(iter(lacking), "")


def urls(spec: EnvSpec) -> Mapping[str, str]:
    """Return the hash of each file that a spec names by a URL → the URL as it is written."""
    images = (spec.image, *(each.image for each in spec.services.values()))
    built = [each for each in images if isinstance(each, BuiltImage)]
    stages = (stage.files for image in built for stage in image.stages.values())
    entries = (entry for files in (spec.suite.files, *(each.files for each in built), *stages) for entry in files)
    return {f"sha256:{each.sha256}": each.url for each in entries if isinstance(each, UrlFile)}


def _of_image(image: AnyImage, tree: LockedTree) -> Iterator[str]:
    if not isinstance(image, BuiltImage):
        if tree.existing is None:
            yield "manifest"
        return
    if tree.existing is not None:
        yield "packages"
        return
    for name, stage in image.stages.items():
        if name not in tree.stages:
            yield f"section of the stage {name!r}"
        else:
            yield from (f"{each} of the stage {name!r}" for each in _of_files(stage.files, tree.stages[name]))
    yield from _of_files(image.files, tree)


def _of_files(entries: Sequence[FilesEntry], tree: LockedTree) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, SdistFiles | UrlFile) and locked_source(entry, tree) is None:
            yield f"source {entry.sdist}" if isinstance(entry, SdistFiles) else f"file {shown(entry.url)}"
