"""``StageStore``: where a stage has the images of one app, with what is attached to them, and which one is live.

The live release is what the tag ``current`` names. It is moved by whoever has seen what it named before, and by nobody
else: of two promoters at once one is told that the other was there first. Each release that entered has a tag of its
own besides, since registries collect what has no tag.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.declare.errors import SpecError
from pipeline.release.layout_stage import LayoutStage
from runtime.digest import Digest
from runtime.errors import DigestError, ImageError
from runtime.oci.attached import Attachable
from runtime.oci.descriptor import Descriptor
from runtime.oci.layout import Layout
from runtime.oci.remote import parse_remote
from runtime.oci.store import Blobs

if TYPE_CHECKING:  # What it takes to read one is a fifth of a second, and moving bytes needs none of it.
    from pipeline.declare.stage_file import StageFile
    from pipeline.registry.http import Connections
    from pipeline.registry.retry import Patience

_LAYOUT = "oci:"
_APP = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class StageStore(Attachable, Protocol):
    """Where a stage has the images of one app; safe to use from several threads and processes."""

    @property
    def place(self) -> str:
        """What statements call it: ``oci://HOST/REPOSITORY`` or ``oci-layout:STAGE/APP``, never a path of a machine."""

    @property
    def folder(self) -> Path | None:
        """The folder of the layout; None where a registry is the store."""

    def tagged(self, name: str) -> Descriptor | None:
        """Return what a tag names, None if there is no such tag.

        Raises:
            StoreError, FetchError: it cannot be read.
            RefusedError: it is malformed.
        """

    def tag(self, name: str, descriptor: Descriptor, expected: Digest | None) -> None:
        """Let a tag name what is here, in place of what it named before; where it names that already, nothing is done.

        Args:
            name: the tag.
            descriptor: of a manifest or an index that is here.
            expected: what the tag names now, None for nothing: nobody moves it meanwhile.

        Raises:
            TagMovedError: it names something else, or another moved it on amid this.
            BusyStageError: others move it without an end.
            StoreError, FetchError: it cannot be written.
        """

    def keep(self, release: Descriptor) -> None:
        """Give a release that is here a tag of its own, so that nobody collects it; see ``stage_tags.release_tag``."""

    def tags(self) -> tuple[str, ...]:
        """Return the tags of images, sorted; see ``stage_tags.is_image_tag``."""

    def attach_all(self, manifests: Sequence[bytes], subject: Digest) -> tuple[Descriptor, ...]:
        """Put several artifacts beside the image that they are about, as ``attach`` puts one."""

    def take(self, blobs: Sequence[Descriptor], source: Blobs) -> None:
        """Have blobs of another store here, verified; those that are here already are not sent again.

        Args:
            blobs: what is wanted.
            source: has them. From a layout of the same file system they are linked, from a repository of the same
                registry they are taken over by the registry.

        Raises:
            StoreError: the source lacks one, or it cannot be written.
            FetchError: a registry cannot be reached, or refuses.
            RefusedError, DigestError: the source gives other bytes than a descriptor says.
        """

    def check(self, blobs: Sequence[Descriptor]) -> None:
        """Look whether blobs are here, each as long as its descriptor says.

        Raises:
            StoreError: one is missing, or has another size.
            FetchError: a registry cannot be reached.
        """

    def sweep(self) -> int:
        """Remove what killed processes left half-written or half-sent; return how many pieces that were."""


def open_stage_store(
    stage: "StageFile",
    app: str,
    data: Path,
    *,
    connections: "Connections",
    directory: Path = Path(),
    make: bool = True,
    patience: "Patience | None" = None,
) -> StageStore:
    """Return where a stage has the images of an app.

    Args:
        stage: says where its images are.
        app: the name of a spec.
        data: the folder of the machine's own store: it has the stages that say nothing, and notes of uploads.
        connections: reach registries; nothing is opened before the first request.
        directory: where a relative ``oci:DIR`` starts.
        make: False makes no layout where there is none: of whoever reads only.
        patience: with a registry that is busy or away.

    Raises:
        SpecError: the stage's store is none, or the app's name is.
        StoreError: the layout cannot be made.
    """
    if not _APP.fullmatch(app):
        raise SpecError(
            f"{app!a} is no name of an app", hint="it is the name of a spec: lower-case letters, digits, - and _"
        )
    if stage.is_remote:
        try:
            remote = parse_remote(f"{str(stage.store).rstrip('/')}/{app}")
        except (ImageError, DigestError) as error:
            raise SpecError(f"the store of the stage {stage.name}: {error.message}", hint=error.hint) from error
        if ":" in remote.text.partition("/")[2] or "@" in remote.text:
            raise SpecError(
                f"the store of the stage {stage.name} is {stage.store!a}, which names an image",
                hint="write HOST/NAME without a tag or a digest: the app's name is added",
            )
        from pipeline.registry.unfinished import Unfinished  # noqa: PLC0415 - stages of this machine load no registry
        from pipeline.release.registry_stage import RegistryStage  # noqa: PLC0415 - likewise

        return RegistryStage(remote, connections, patience=patience, unfinished=Unfinished(data / "uploads"))
    own = data / "stages" / stage.name
    folder = own if stage.store is None else directory / stage.store.removeprefix(_LAYOUT)
    return LayoutStage(Layout(folder / app, make=make), f"oci-layout:{stage.name}/{app}")
