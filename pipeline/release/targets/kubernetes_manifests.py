"""From a deployment to the objects of a cluster: pure, so that they can be shown, checked and tested without one.

Each replacement has a Deployment of its own, beside the one before. The Service leads to the pods of one of them, by a
label; it is turned to the new ones when these have been checked.

Source: Kubernetes API, apps/v1, batch/v1 and core/v1.
"""

import re
from collections.abc import Mapping, Sequence

import yaml

from pipeline.declare.errors import TargetError
from pipeline.release.targets.confinement import CAPABILITIES, MEMORY, SHARED_MEMORY, TEMPORARY
from pipeline.release.targets.marks import Marks, Role, container_port
from pipeline.release.targets.target import Wanted
from runtime.canonical import Json
from runtime.digest import Digest

PREFIX = "seatrial.dev"
BATCH = f"{PREFIX}/batch"
"""The label by which the Service finds the pods of one replacement."""
CONTAINER = "app"
BESIDE = "seatrial-beside-"
"""How the names of ephemeral containers begin that ran a command beside a replica."""

_DEPLOYER = "app.kubernetes.io/managed-by"
_LONGEST = 40

Manifest = Mapping[str, Json]


def name_of(app: str, stage: str, *more: str) -> str:
    """Return a name that a cluster takes (RFC 1123), and no others have.

    It has a digest of theirs where they have other letters, or a hyphen: ``a-b`` in ``c`` is not ``a`` in ``b-c``.
    """
    parts = (app, stage, *more)
    plain = re.sub(r"[^a-z0-9]+", "-", "-".join(parts)).strip("-")
    if plain.split("-") == list(parts) and len(plain) <= _LONGEST:
        return plain
    return f"{plain[:_LONGEST]}-{Digest.of_json(parts).hex[:6]}".strip("-")


def labels_of(app: str, stage: str) -> dict[str, str]:
    """Return the labels by which all objects of an app in a stage are found."""
    return {_DEPLOYER: "seatrial", f"{PREFIX}/name": name_of(app, stage)}


def deployment(wanted: Wanted, batch: str) -> Manifest:
    """Return the Deployment of one replacement."""
    labels: Mapping[str, Json] = {**labels_of(wanted.app, wanted.stage), BATCH: batch}
    return {
        **_head("apps/v1", "Deployment", wanted, f"{name_of(wanted.app, wanted.stage)}-{batch}", {BATCH: batch}),
        "spec": {
            "replicas": wanted.deploy.replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": {BATCH: batch, f"{PREFIX}/name": name_of(wanted.app, wanted.stage)}},
            "template": {
                "metadata": {"labels": labels, "annotations": _notes(wanted, Role.REPLICA)},
                "spec": _pod(wanted, _replica(wanted, batch)),
            },
        },
    }


def service(wanted: Wanted, batch: str) -> Manifest | None:
    """Return the Service that leads to the pods of a replacement; None where nothing asks for a port."""
    port = container_port(wanted)
    if wanted.deploy.port is None or port is None:
        return None
    return {
        **_head("v1", "Service", wanted, name_of(wanted.app, wanted.stage)),
        "spec": {
            "selector": {BATCH: batch, f"{PREFIX}/name": name_of(wanted.app, wanted.stage)},
            "ports": [{"name": "app", "protocol": "TCP", "port": wanted.deploy.port, "targetPort": port}],
        },
    }


def secret(wanted: Wanted, batch: str) -> Manifest | None:
    """Return the Secret with the values; it is sent and written nowhere. None where there are no secrets."""
    if not wanted.secrets:
        return None
    head = _head("v1", "Secret", wanted, _secret_name(wanted, batch), {BATCH: batch})
    return {**head, "type": "Opaque", "stringData": dict(sorted(wanted.secrets.items()))}


def claims(wanted: Wanted) -> tuple[Manifest, ...]:
    """Return what claims the volumes; a claim that is there is left as it is."""
    return tuple(
        {
            **_head("v1", "PersistentVolumeClaim", wanted, _claim_name(wanted, each.name)),
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
        for each in wanted.deploy.volumes
    )


def job(wanted: Wanted, batch: str, argv: Sequence[str], seconds: int) -> Manifest:
    """Return the Job that runs one command once."""
    container = {**_container(wanted, batch), "command": [_literal(each) for each in argv]}
    spec = {**_pod(wanted, container), "restartPolicy": "Never"}
    return {
        **_head("batch/v1", "Job", wanted, f"{name_of(wanted.app, wanted.stage)}-{batch}", {BATCH: batch}),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": max(seconds, 1),
            "ttlSecondsAfterFinished": 600,
            "template": {
                "metadata": {"labels": {BATCH: batch}, "annotations": _notes(wanted, Role.ONCE)},
                "spec": spec,
            },
        },
    }


def beside(wanted: Wanted, batch: str, argv: Sequence[str], name: str) -> Manifest:
    """Return the ephemeral container that runs one command in the network of a pod; such a one has no limits."""
    container = {**_container(wanted, batch), "name": name, "command": [_literal(each) for each in argv]}
    del container["resources"]
    return container


def to_yaml(manifests: Sequence[Manifest]) -> str:
    """Return manifests as a file that ``kubectl apply --server-side`` takes; values are quoted by the YAML writer."""
    return yaml.safe_dump_all([_plain(each) for each in manifests], sort_keys=False, allow_unicode=True)


def _plain(value: Json) -> object:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


def _head(version: str, kind: str, wanted: Wanted, name: str, more: Mapping[str, str] | None = None) -> dict[str, Json]:
    labels: dict[str, Json] = {**labels_of(wanted.app, wanted.stage), **(more or {})}
    notes = _notes(wanted, Role.REPLICA)
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "labels": labels, "annotations": notes},
    }


def _notes(wanted: Wanted, role: Role) -> dict[str, Json]:
    """Return what a container says of itself: as annotations, since a digest is too long for a label."""
    return dict(Marks.of(wanted, role).labels())


def _pod(wanted: Wanted, container: Manifest) -> dict[str, Json]:
    volumes: list[Json] = [
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": TEMPORARY}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY}},
    ]
    volumes += [
        {"name": f"volume-{index}", "persistentVolumeClaim": {"claimName": _claim_name(wanted, each.name)}}
        for index, each in enumerate(wanted.deploy.volumes)
    ]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": _around(wanted),
        "containers": [container],
        "volumes": volumes,
    }


def _replica(wanted: Wanted, batch: str) -> Manifest:
    container = _container(wanted, batch)
    port, health = container_port(wanted), wanted.deploy.health
    if port is not None:
        container["ports"] = [{"containerPort": port, "protocol": "TCP"}]
    if health:
        way: Manifest = (
            {"httpGet": {"path": health.http, "port": health.port}}
            if health.http
            else {"tcpSocket": {"port": health.port}}
        )
        container["readinessProbe"] = {**way, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3}
    return container


def _container(wanted: Wanted, batch: str) -> dict[str, Json]:
    if not wanted.repository:
        raise TargetError(
            f"a cluster pulls images from a registry, and {wanted.stage} keeps those of {wanted.app} in a layout",
            hint="write `store: REGISTRY/REPOSITORY` into the stage, and promote to it again",
        )
    variables: list[Json] = [
        {"name": name, "value": _literal(value)} for name, value in sorted(wanted.deploy.env.items())
    ]
    variables += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": _secret_name(wanted, batch), "key": name}}}
        for name in sorted(wanted.secrets)
    ]
    mounts: list[Json] = [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the container
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - likewise
    ]
    mounts += [{"name": f"volume-{index}", "mountPath": each.to} for index, each in enumerate(wanted.deploy.volumes)]
    return {
        "name": CONTAINER,
        "image": f"{wanted.repository}@{wanted.image.digest}",
        "imagePullPolicy": "IfNotPresent",
        "env": variables,
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": [each.upper() for each in CAPABILITIES]},
        },
        "resources": {"limits": {"memory": str(MEMORY)}, "requests": {"memory": "64Mi"}},
    }


def _around(wanted: Wanted) -> dict[str, Json]:
    """Return what holds for the whole pod; volumes are the group's, where the image names it by its number."""
    found: dict[str, Json] = {"seccompProfile": {"type": "RuntimeDefault"}}
    group = wanted.image.user.partition(":")[2]
    if wanted.deploy.volumes and group.isdecimal():
        found["fsGroup"] = int(group)
    return found


def _literal(text: str) -> str:
    """Return text in which a cluster replaces nothing: it reads ``$(NAME)``, and ``$$`` as ``$``."""
    return text.replace("$", "$$")


def _secret_name(wanted: Wanted, batch: str) -> str:
    return f"{name_of(wanted.app, wanted.stage)}-{batch}"


def _claim_name(wanted: Wanted, name: str) -> str:
    return name_of(wanted.app, wanted.stage, name)
