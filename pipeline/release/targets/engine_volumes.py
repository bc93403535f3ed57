"""Volumes of an engine: made once, given to the containers' user, and never removed."""

import io
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pipeline.release.targets.engine import EngineClient
from pipeline.release.targets.engine_request import volume_of
from pipeline.release.targets.target import Wanted
from runtime.backends.engines.archive import files_archive
from runtime.backends.engines.connection import ChunkFile
from runtime.oci.accounts import Account, find_account

_MOST = 1 << 20  # bytes of /etc/passwd and of /etc/group


def have_volumes(engine: EngineClient, wanted: Wanted, image: str) -> None:
    """Make the volumes that are missing; each belongs to the user of the image, as a target of ours does it too.

    Args:
        engine: where.
        wanted: names them.
        image: by which the engine knows the image.
    """
    missing = {volume_of(wanted, each.name): each.to for each in wanted.deploy.volumes}
    for name in [name for name in missing if _is_there(engine.api, name)]:
        del missing[name]
    if not missing:
        return
    for name in missing:
        engine.api.create_volume(name)
    binds = [f"{name}:{path}" for name, path in missing.items()]
    body = {"Image": image, "Entrypoint": ["/"], "HostConfig": {"Binds": binds, "NetworkMode": "none"}}
    # It is never started: what is copied into it goes into the volumes that are mounted there.
    container = engine.api.create_container_from_config(body)["Id"]
    try:
        owner = find_account(wanted.image.user, lambda path: _read(engine.api, container, path))
        engine.api.put_archive(container, "/", files_archive(_folders(list(missing.values()), owner)))
    finally:
        engine.api.remove_container(container, force=True, v=True)


def _folders(paths: Sequence[str], owner: Account) -> list[tuple[tarfile.TarInfo, bytes]]:
    entries = []
    for each in paths:
        entry = tarfile.TarInfo(each.strip("/"))
        entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, owner.uid, owner.gid
        entries.append((entry, b""))
    return entries


def _is_there(api: Any, name: str) -> bool:  # noqa: ANN401 - an APIClient
    from docker.errors import NotFound  # noqa: PLC0415 - the SDK is large

    with suppress(NotFound):
        api.inspect_volume(name)
        return True
    return False


def _read(api: Any, container: str, path: str) -> str:  # noqa: ANN401 - likewise
    """Return the text of a file of a container; empty where there is none."""
    from docker.errors import NotFound  # noqa: PLC0415 - likewise

    try:
        chunks, _ = api.get_archive(container, f"/{path}")
    except NotFound:
        return ""
    with tarfile.open(fileobj=io.BufferedReader(ChunkFile(iter(chunks))), mode="r|") as archive:
        entry = archive.next()
        file = archive.extractfile(entry) if entry and entry.isfile() else None
        return file.read(_MOST).decode("utf-8", "replace") if file else ""
