"""What an engine tells of a container, as facts of a replica: pure, but for what the kernel says of its process.

Source: Docker Engine API 1.41, ``ContainerInspect``; Podman's compatible interface answers the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.release.targets.confinement import CAPABILITIES
from pipeline.release.targets.inside import Inside
from pipeline.release.targets.marks import Marks
from pipeline.release.targets.target import ReplicaState
from runtime.backends.native.processes import CAPABILITIES as ALL
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import DigestError

_INITS = (["/dev/init"], ["/run/podman-init"])

_TOLD_APART = ("no-new-privileges", "seccomp=")
"""How the security options begin that are facts of their own."""

_OF_ONE_CONTAINER = ("HOSTNAME",)
"""Variables that an engine sets to the container's own name."""


def state_of(inspected: Mapping[str, Any]) -> ReplicaState:
    """Return what a container does, as its engine says."""
    state = inspected.get("State") or {}
    if not state.get("Running") or state.get("Dead"):
        return ReplicaState.STOPPED
    health = (state.get("Health") or {}).get("Status", "")
    is_well = not state.get("Paused") and not state.get("Restarting") and health != "unhealthy"
    return ReplicaState.RUNNING if is_well else ReplicaState.UNHEALTHY


def facts_of(inspected: Mapping[str, Any], marks: Marks, inside: Inside | None) -> dict[str, Json]:
    """Return what is in effect in a container, but for its kernel and its files.

    Args:
        inspected: what the engine tells.
        marks: name the variables whose values are secrets.
        inside: what the kernel says; it counts more where both say something.
    """
    config, host = inspected.get("Config") or {}, inspected.get("HostConfig") or {}
    security = tuple(host.get("SecurityOpt") or ())
    told: dict[str, Json] = {
        "argv": _argv([str(each) for each in (inspected.get("Path"), *(inspected.get("Args") or ()))]),
        "user": config.get("User") or "0",
        "environment": _environment(config.get("Env") or (), marks.secrets),
        "workdir": config.get("WorkingDir") or "/",
        "mounts": sorted(_mounts(inspected.get("Mounts") or (), host.get("Tmpfs") or {})),
        "capabilities": list(_capabilities(host)),
        "no-new-privileges": any(each.partition(":")[0] == "no-new-privileges" for each in security),
        "privileged": bool(host.get("Privileged")),
        "seccomp": _seccomp(security, host, inside),
        "memory": host.get("Memory") or None,
        "cpus": _cpus(host),
        "processes": max(int(host.get("PidsLimit") or 0), 0) or None,
        "read-only": bool(host.get("ReadonlyRootfs")),
        "namespaces": sorted(_namespaces(host)),
        "devices": sorted(_devices(host)),
        "groups": sorted(map(str, host.get("GroupAdd") or ())),
        "security": sorted(each for each in security if not each.startswith(_TOLD_APART)),
        "sysctls": sorted(f"{name}={value}" for name, value in (host.get("Sysctls") or {}).items()),
        "limits": sorted(f"{each['Name']} {each['Soft']} {each['Hard']}" for each in host.get("Ulimits") or ()),
        "runtime": host.get("Runtime") or "",
        "restarted-by": (host.get("RestartPolicy") or {}).get("Name") or "no",
    }
    return told | (inside.facts() if inside else {})


def digests_of(container: Mapping[str, Any], image: Mapping[str, Any]) -> frozenset[Digest]:
    """Return every digest by which an engine names the image of a container.

    A container of Docker names the digest of the configuration, one of Podman that of the manifest as well; an image
    names manifests by the repositories from which it was pulled, of which there may be several, and none where it was
    loaded. What somebody typed when the container was made is not among them.
    """
    named = [container.get("Image"), container.get("ImageDigest"), image.get("Id"), image.get("Digest")]
    named += [each.rpartition("@")[2] for each in image.get("RepoDigests") or ()]
    return frozenset(filter(None, map(_digest, named)))


def _digest(text: object) -> Digest | None:
    if not isinstance(text, str) or not text:
        return None
    try:
        return Digest(text if ":" in text else f"sha256:{text}")
    except DigestError:
        return None


def _argv(told: list[str]) -> list[str]:
    """Return the program and its arguments: Podman tells the init before them, which Docker does not."""
    is_init = told[:1] in _INITS and told[1:2] == ["--"]
    return told[2:] if is_init else told


def _environment(listed: Iterable[str], secrets: Iterable[str]) -> Json:
    """Return name → digest of the value; None for a secret, whose digest could be guessed."""
    pairs = dict(each.partition("=")[::2] for each in listed)
    hidden = frozenset(secrets)
    return {
        name: None if name in hidden else Digest.of(value.encode("utf-8", "surrogateescape")).text
        for name, value in sorted(pairs.items())
        if name not in _OF_ONE_CONTAINER
    }


def _mounts(mounts: Iterable[Mapping[str, Any]], tmpfs: Mapping[str, str]) -> Iterable[str]:
    for each in mounts:
        source = each.get("Name") if each.get("Type") == "volume" else each.get("Source")
        way = "rw" if each.get("RW", True) else "ro"
        yield f"{each.get('Destination')} {each.get('Type')} {source or ''} {way}"
    for path, options in tmpfs.items():
        yield f"{path} tmpfs {','.join(sorted(filter(None, options.split(','))))}"


def _capabilities(host: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the bounding set that was asked for: without a drop it begins as Docker's fourteen."""
    if host.get("Privileged"):
        return tuple(sorted(ALL))
    dropped = {_capability(each) for each in host.get("CapDrop") or ()}
    added = {_capability(each) for each in host.get("CapAdd") or ()}
    base = set() if "all" in dropped else set(CAPABILITIES) - dropped
    return tuple(sorted(base | (set(ALL) if "all" in added else added)))


def _capability(name: str) -> str:
    return name.lower().removeprefix("cap_")


def _seccomp(security: tuple[str, ...], host: Mapping[str, Any], inside: Inside | None) -> str:
    profiles = [each.partition("seccomp=")[2] for each in security if each.startswith("seccomp=")]
    if host.get("Privileged") or "unconfined" in profiles or (inside and not inside.is_filtered):
        return "unconfined"
    return Digest.of(profiles[-1].encode()).text if profiles else "default"


def _cpus(host: Mapping[str, Any]) -> Json:
    """Return the billionths of CPUs that it may use, and which; None for all."""
    quota = int(host.get("NanoCpus") or 0)
    if not quota and int(host.get("CpuQuota") or 0) > 0:
        quota = int(host["CpuQuota"]) * 1_000_000_000 // (int(host.get("CpuPeriod") or 0) or 100_000)
    chosen = host.get("CpusetCpus") or ""
    return {"billionths": quota, "set": chosen} if quota or chosen else None


def _devices(host: Mapping[str, Any]) -> Iterable[str]:
    """Yield what it has of the machine's devices, by paths, by requests of a driver, or by rules."""
    for each in host.get("Devices") or ():
        yield f"{each.get('PathOnHost')} {each.get('PathInContainer')} {each.get('CgroupPermissions')}"
    yield from (f"request {Digest.of_json(each).short}" for each in host.get("DeviceRequests") or ())
    yield from (f"rule {each}" for each in host.get("DeviceCgroupRules") or ())


def _namespaces(host: Mapping[str, Any]) -> Iterable[str]:
    """Yield those of the machine, or of another container, that it shares."""
    for key, name in (("PidMode", "pid"), ("IpcMode", "ipc"), ("UTSMode", "uts"), ("NetworkMode", "network")):
        mode = str(host.get(key) or "")
        if mode == "host" or mode.startswith("container:"):
            yield f"{name} {mode}"
    if str(host.get("UsernsMode") or "") == "host":
        yield "user host"
