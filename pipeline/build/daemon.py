"""Images that a Docker Engine has, as `docker save` gives them."""

import contextlib
from pathlib import Path

from runtime.backends.engines.connection import Told
from runtime.backends.engines.service import find_service
from runtime.digest import Digest
from runtime.errors import StoreError
from runtime.oci.docker_archive import convert_docker_archive
from runtime.oci.layout import Layout
from runtime.oci.temporary import new_file

_ENGINE = "docker"


def convert_from_engine(name: str, target: Layout) -> Digest:
    """Take an image from Docker Engine, and return the digest of the manifest that is written for it.

    Args:
        name: name and tag, or the id of the image; the tag ``latest`` where none is named.
        target: takes it; what the engine sends lies beside its blobs meanwhile.

    Raises:
        BackendError: no engine answers, or it has no such image.
        StoreError: what it sends cannot be kept.
        ImageError, RefusedError: what it sends is no image, or a damaged one.
    """
    is_tagged = ":" in name.rpartition("/")[2]
    client, _ = find_service(_ENGINE).connect()
    try:
        with contextlib.closing(client), new_file(target.root) as file:
            with Told(_ENGINE):  # inside: what the SDK raises is an OSError too
                for chunk in client.get_image(name if is_tagged else f"{name}:latest"):
                    file.write(chunk)
            file.flush()
            return convert_docker_archive(Path(str(file.name)), "", target)
    except OSError as error:
        raise StoreError(f"the image of {_ENGINE} cannot be kept: {error.strerror or error}") from error
