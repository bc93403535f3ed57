"""``LayoutStage``: the images of a stage in an OCI layout on disk."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.release.stage_tags import is_image_tag, release_tag
from runtime.data import replace
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.attached import AttachedLayout
from runtime.oci.copy import verified
from runtime.oci.descriptor import REF_NAME, Descriptor
from runtime.oci.layout import Layout, hash_stream
from runtime.oci.store import Blobs


class LayoutStage(AttachedLayout):
    """Satisfies ``StageStore`` with a layout; many processes may use it at a time.

    Args:
        layout: has the images.
        place: what statements call it.

    Attributes:
        place: as it was given.
        folder: of the layout.
    """

    def __init__(self, layout: Layout, place: str) -> None:
        super().__init__(layout)
        self.place = place
        self.folder: Path | None = layout.root

    def tagged(self, name: str) -> Descriptor | None:
        """Return what a tag names; see ``StageStore.tagged``."""
        found = self.layout.resolve(name)
        return found and Descriptor(media_type=found.media_type, digest=found.digest, size=found.size)

    def tag(self, name: str, descriptor: Descriptor, expected: Digest | None) -> None:
        """Let a tag name what is here; see ``StageStore.tag``."""
        if not self.layout.has(descriptor.digest):
            raise StoreError(f"manifest {descriptor.digest} is not in {self.place}, it cannot be tagged {name}")

        from pipeline.registry.tagging import moved  # noqa: PLC0415 - whoever reads only loads no registry

        def change(before: Descriptor | None) -> Descriptor:
            found = before.digest if before else None
            if before is not None and found == descriptor.digest:
                return before
            if found != expected:
                raise moved(self.place, name, found, expected)
            return replace(descriptor, annotations={}, platform={})

        self.layout.update_manifest(name, change)

    def keep(self, release: Descriptor) -> None:
        """Give a release a tag of its own; see ``StageStore.keep``."""
        self.layout.add_manifest(replace(release, annotations={}, platform={}), name=release_tag(release.digest))

    def tags(self) -> tuple[str, ...]:
        """Return the tags of images; see ``StageStore.tags``."""
        named = {each.annotations.get(REF_NAME, "") for each in self.layout.manifests()}
        return tuple(sorted(each for each in named if each and is_image_tag(each)))

    def take(self, blobs: Sequence[Descriptor], source: Blobs) -> None:
        """Have blobs of another store here; see ``StageStore.take``."""
        from pipeline.registry.repository import PARALLEL  # noqa: PLC0415 - likewise

        wanted = {each.digest: each for each in blobs}.values()
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="take") as threads:
            for each in [threads.submit(self._take_one, blob, source) for blob in wanted]:
                each.result()

    def check(self, blobs: Sequence[Descriptor]) -> None:
        """Look whether blobs are here; see ``StageStore.check``."""
        for each in blobs:
            try:
                size = self.layout.path(each.digest).stat().st_size
            except OSError as error:
                raise StoreError(f"blob {each.digest} is not in {self.place}: {error.strerror}") from error
            if size != each.size:
                raise StoreError(f"blob {each.digest} in {self.place} has {size} bytes, not {each.size}")

    def sweep(self) -> int:
        """Remove what killed processes left; see ``StageStore.sweep``."""
        return self.layout.sweep()

    def _take_one(self, blob: Descriptor, source: Blobs) -> None:
        if self._is_whole(blob):
            return
        near = _layout_of(source)
        if near is None or not self.layout.link(blob, near):
            self.layout.write(verified(blob, source), blob.media_type, expected=blob.digest)

    def _is_whole(self, blob: Descriptor) -> bool:
        """Tell whether a blob is here with all of its bytes; a damaged one is removed."""
        path = self.layout.path(blob.digest)
        try:
            with path.open("rb") as file:
                if hash_stream(file) == (blob.digest, blob.size):
                    return True
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        return False


def _layout_of(source: Blobs) -> Layout | None:
    if isinstance(source, AttachedLayout):
        return source.layout
    return source if isinstance(source, Layout) else None
