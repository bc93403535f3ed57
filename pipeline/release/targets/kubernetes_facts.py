"""What a cluster tells of a pod, as facts of a replica: what it was asked for, but for the digest of what really runs.

Source: Kubernetes API, core/v1, ``Pod``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.release.targets.kubernetes_manifests import BESIDE, CONTAINER
from pipeline.release.targets.marks import Marks
from pipeline.release.targets.target import Replica, ReplicaState
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import DigestError


def replica_of(pod: Mapping[str, Any], kernel: str = "") -> Replica:
    """Return a pod as a replica.

    Args:
        pod: as the cluster tells it.
        kernel: the release of the kernel of its node; empty where nobody says.
    """
    marks = Marks.parse(pod["metadata"].get("annotations") or {})
    facts = facts_of(pod)
    return Replica(
        id=str(pod["metadata"]["name"]),
        state=state_of(pod),
        digests=digests_of(pod),
        number=marks.number,
        configuration=marks.configuration,
        facts=facts | ({"kernel": kernel} if kernel else {}),
    )


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod gets traffic: it is ready, and not about to end."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def state_of(pod: Mapping[str, Any]) -> ReplicaState:
    """Return what a pod does."""
    if is_ready(pod):
        return ReplicaState.RUNNING
    phase = (pod.get("status") or {}).get("phase")
    return ReplicaState.UNHEALTHY if phase in {"Running", "Pending"} else ReplicaState.STOPPED


def digests_of(pod: Mapping[str, Any]) -> frozenset[Digest]:
    """Return the digest of what runs as the app: ``imageID`` of its container, whatever others the pod has.

    It is ``REPOSITORY@sha256:…``, with ``docker-pullable://`` before it at times, or a digest alone.
    """
    told = (pod.get("status") or {}).get("containerStatuses") or ()
    own = (each for each in told if each.get("name", CONTAINER) == CONTAINER)
    return frozenset(filter(None, (_digest(str(each.get("imageID") or "")) for each in own)))


def trouble_of(pod: Mapping[str, Any]) -> str:
    """Return why a pod will not get ready by waiting; empty if it may."""
    for each in (pod.get("status") or {}).get("containerStatuses") or ():
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in {"CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"} or (
            str(waiting.get("reason", "")).startswith("Create") and "Error" in str(waiting["reason"])
        ):
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    return ""


def exit_code(pod: Mapping[str, Any], container: str) -> int | None:
    """Return the exit code of a container that has ended; None while it has not."""
    status = pod.get("status") or {}
    told = [*(status.get("containerStatuses") or ()), *(status.get("ephemeralContainerStatuses") or ())]
    ended = [(each.get("state") or {}).get("terminated") for each in told if each.get("name") == container]
    return int(ended[0]["exitCode"]) if ended and ended[0] else None


def facts_of(pod: Mapping[str, Any]) -> dict[str, Json]:
    """Return what a pod was asked for beside what its image says; containers that somebody added are told by names."""
    spec = pod["spec"]
    containers = spec.get("containers") or ()
    own = next((each for each in containers if each.get("name") == CONTAINER), containers[0] if containers else {})
    security, around = own.get("securityContext") or {}, spec.get("securityContext") or {}
    limits = (own.get("resources") or {}).get("limits") or {}
    return {
        "given-argv": [*(own.get("command") or ()), *(own.get("args") or ())],
        "given-user": _user(security, around),
        "given-environment": dict(_environment(own.get("env") or ())) | _imported(own.get("envFrom") or ()),
        "mounts": sorted(_mounts(own.get("volumeMounts") or (), spec.get("volumes") or ())),
        "capabilities": sorted(
            each.lower().removeprefix("cap_") for each in (security.get("capabilities") or {}).get("add") or ()
        ),
        "no-new-privileges": security.get("allowPrivilegeEscalation") is False,
        "privileged": bool(security.get("privileged")),
        "seccomp": _seccomp(security.get("seccompProfile") or around.get("seccompProfile") or {}),
        "memory": limits.get("memory"),
        "cpus": limits.get("cpu"),
        "read-only": bool(security.get("readOnlyRootFilesystem")),
        "namespaces": sorted(each for each in ("hostPID", "hostIPC", "hostNetwork") if spec.get(each)),
        "containers": sorted(_containers(pod)),
    }


def _containers(pod: Mapping[str, Any]) -> Iterable[str]:
    """Yield the names of a pod's containers, but of those in which a command ran beside the app, and has ended."""
    spec, told = pod["spec"], (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()
    ended = {str(each.get("name")) for each in told if (each.get("state") or {}).get("terminated")}
    for key in ("containers", "initContainers", "ephemeralContainers"):
        for name in (str(each.get("name")) for each in spec.get(key) or ()):
            # Anybody may call a container as ours are called.
            if key != "ephemeralContainers" or not name.startswith(BESIDE) or name not in ended:
                yield name


def _user(security: Mapping[str, Any], around: Mapping[str, Any]) -> Json:
    """Return the ids that are asked for; None leaves them to the image."""
    user = security.get("runAsUser", around.get("runAsUser"))
    group = security.get("runAsGroup", around.get("runAsGroup"))
    return None if user is None and group is None else f"{user if user is not None else ''}:{group or ''}"


def _environment(listed: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Json]]:
    for each in sorted(listed, key=lambda each: str(each["name"])):
        is_secret = "secretKeyRef" in (each.get("valueFrom") or {})
        known: Json = each.get("valueFrom") or str(each.get("value") or "")
        yield str(each["name"]), None if is_secret else Digest.of_json(known).text


def _imported(sources: Iterable[Mapping[str, Any]]) -> dict[str, Json]:
    return {f"from {Digest.of_json(each).short}": None for each in sources}


def _mounts(mounts: Iterable[Mapping[str, Any]], volumes: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    kinds = {each["name"]: each for each in volumes}
    for each in mounts:
        source = kinds.get(each["name"], {})
        kind = next((key for key in source if key != "name"), "?")
        what = source.get(kind) or {}
        where = next((str(what[key]) for key in ("claimName", "path", "name", "secretName") if key in what), "")
        yield f"{each['mountPath']} {kind} {where} {'ro' if each.get('readOnly') else 'rw'}"


def _seccomp(profile: Mapping[str, Any]) -> str:
    kind = profile.get("type") or "none"
    known = {"RuntimeDefault": "default", "Unconfined": "unconfined"}
    return known.get(kind, f"{kind} {profile.get('localhostProfile', '')}".strip())


def _digest(text: str) -> Digest | None:
    try:
        return Digest(text.rpartition("@")[2].rpartition("//")[2])
    except DigestError:
        return None
