"""``EngineClient``: an engine that answers, and what it refuses in our words."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.declare.errors import TargetError
from runtime.backends.engines.service import find_service, remedy
from runtime.errors import BackendError

_LIMITS = {"memory": "MemoryLimit", "processes": "PidsLimit"}
# Docker Engine API 1.41, ``SystemInfo``: whether the engine can limit it.

_PATIENCE = 30  # seconds

_INITS = ("/usr/libexec/podman/catatonit", "/usr/lib/podman/catatonit")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineClient:
    """An engine that answers.

    Args:
        name: ``docker`` or ``podman``.
        api: an ``APIClient`` of the docker SDK.
        address: where it listens, for programs that are to talk to the same one.
        kernel: the release of the kernel that containers run on.
        offers: the limits that it can enforce.
        has_init: whether it has a first process that reaps and forwards signals.
        version: its own.
        is_rootless: whether it is a plain user's.
    """

    name: str
    api: Any
    address: str
    kernel: str
    offers: frozenset[str]
    has_init: bool
    version: str
    is_rootless: bool

    @property
    def is_here(self) -> bool:
        """Whether it listens on this machine, and publishes ports on its loopback interface."""
        return str(self.api.base_url) == "http+docker://localhost"

    def own(self, container: str) -> Mapping[str, Any]:
        """Return what Podman's own interface tells of a container, the digest of its manifest too; empty for Docker.

        Source: Podman API v4.0.0, libpod, ``ContainerInspectLibpod``.
        """
        if self.name != "podman":
            return {}
        answer = self.api.get(f"{self.api.base_url}/v4.0.0/libpod/containers/{container}/json", timeout=_PATIENCE)
        answer.raise_for_status()
        found: Mapping[str, Any] = answer.json()
        return found


@contextmanager
def connected(name: str, address: str = "") -> Iterator[EngineClient]:
    """Give an engine that answers; a service of Podman's that was started for it is ended.

    Args:
        name: ``docker`` or ``podman``.
        address: its socket; by default the one that its own command line would use.

    Raises:
        TargetError: it does not answer; and whatever it refuses within.
    """
    with told(name):
        service = find_service(name, address)
        try:
            api, version = service.connect()
            with api:
                yield _described(name, api, service.address, version)
        finally:
            service.close()


@contextmanager
def told(name: str) -> Iterator[None]:
    """Say what an engine refuses in our words."""
    from docker.errors import DockerException  # noqa: PLC0415 - the SDK is large
    from requests import RequestException  # noqa: PLC0415 - likewise

    try:
        yield
    except BackendError as error:
        raise TargetError(error.message, hint=error.hint) from error
    except DockerException as error:
        explanation = getattr(error, "explanation", None) or error
        raise TargetError(f"{name} refuses: {explanation}") from error
    except RequestException as error:
        raise TargetError(f"{name} does not answer: {error}", hint=remedy(name)) from error
    except OSError as error:  # which those of requests are as well
        raise TargetError(f"what {name} is given cannot be read or written: {error}") from error


def _described(name: str, api: Any, address: str, version: str) -> EngineClient:  # noqa: ANN401 - the SDK has no types
    info = api.info()
    options = info.get("SecurityOptions") or ()
    is_rootless = bool(info.get("Rootless")) or any("rootless" in each for each in options)
    # Without root only control groups v2 limit, whatever else the engine says of itself.
    is_unlimited = is_rootless and str(info.get("CgroupVersion", "1")) != "2"
    return EngineClient(
        name=name,
        api=api,
        address=address,
        kernel=str(info.get("KernelVersion") or ""),
        offers=frozenset() if is_unlimited else frozenset(limit for limit, key in _LIMITS.items() if info.get(key)),
        has_init=bool(info.get("InitBinary")) if name == "docker" else _has_catatonit(),
        version=version,
        is_rootless=is_rootless,
    )


def _has_catatonit() -> bool:
    return shutil.which("catatonit") is not None or any(Path(each).exists() for each in _INITS)
