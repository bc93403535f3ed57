"""One command in a container of its own, to its end."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pipeline.release.targets.engine import EngineClient
from pipeline.release.targets.marks import masked
from pipeline.release.targets.target import Once
from runtime.canonical import Json

_MOST_OUTPUT = 64 << 10
_MOST_LINES = 2000
_PAUSE = 0.05


def run_to_end(
    engine: EngineClient, body: Mapping[str, Json], name: str, secrets: Mapping[str, str], milliseconds: int
) -> Once:
    """Make a container, wait for its end, and remove it with the volumes that nobody named.

    Args:
        engine: where.
        body: of the request that makes it.
        name: what it is called while it runs.
        secrets: masked in what it wrote.
        milliseconds: after that it is killed, and its exit code is 137.
    """
    api = engine.api
    container = api.create_container_from_config(dict(body), name=name)["Id"]
    try:
        api.start(container)
        is_late = _await_end(api, container, milliseconds)
        code = int(api.inspect_container(container)["State"]["ExitCode"])
        output = last_words(engine, container, secrets)
    finally:
        with suppress(_errors()):
            api.remove_container(container, force=True, v=True)
    if is_late:
        output += f"\nkilled after {milliseconds / 1000:g} s"
    return Once(exit=code, output=output.lstrip("\n"))


def last_words(engine: EngineClient, container: str, secrets: Mapping[str, str], lines: int = _MOST_LINES) -> str:
    """Return the last of what a container wrote, secrets masked; empty where the engine cannot tell."""
    try:
        raw = engine.api.logs(container, stdout=True, stderr=True, tail=lines)
    except _errors():
        return ""
    return masked(bytes(raw).decode("utf-8", "replace"), secrets)[-_MOST_OUTPUT:]


def _await_end(api: Any, container: str, milliseconds: int) -> bool:  # noqa: ANN401 - an APIClient
    """Wait until a container has ended; kill it when its time is over, and say that it was."""
    end = time.monotonic() + milliseconds / 1000
    while api.inspect_container(container)["State"]["Status"] in {"created", "running", "restarting", "paused"}:
        if time.monotonic() > end:
            with suppress(_errors()):
                api.kill(container)
            api.wait(container, timeout=60)
            return True
        time.sleep(_PAUSE)
    return False


def _errors() -> type[Exception]:
    from docker.errors import DockerException  # noqa: PLC0415 - the SDK is large

    return DockerException
