"""``KubernetesTarget``: a cluster runs the containers; see ``kubernetes_manifests`` for what it is asked for."""

import secrets as randomness
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.declare.errors import TargetError
from pipeline.release.targets import kubernetes_manifests as manifests
from pipeline.release.targets.handover import following
from pipeline.release.targets.kubeconfig import kubeconfig_path, read_kubeconfig
from pipeline.release.targets.kubernetes_api import Api
from pipeline.release.targets.kubernetes_facts import exit_code, is_ready, replica_of, trouble_of
from pipeline.release.targets.marks import Marks, container_port, masked, refuse_older
from pipeline.release.targets.target import Once, Replica, Wanted
from runtime.oci.temporary import write_whole

_ENDING = 60  # seconds
_LATE = 137  # as of a process that is killed


class KubernetesTarget:
    """Satisfies ``Target``.

    Args:
        folder: keeps the manifests that were applied last, without secrets.
        environment: names the kubeconfig.
        pulling: seconds that a node may take to have the image, before a container's own time begins.
        turning: seconds in which every node hears that a Service leads to other pods, before the old ones end.
    """

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, pulling: float = 300, turning: float = 2
    ) -> None:
        self._folder, self._pulling, self._turning = folder, pulling, turning
        self._path = kubeconfig_path(environment)

    def unavailable(self) -> str:
        """See ``Target.unavailable``."""
        try:
            with self._api() as api:
                api.version()
        except TargetError as error:
            return str(error)
        return ""

    def prepare(self, wanted: Wanted) -> None:
        """See ``Target.prepare``: the cluster says what it would do with the manifests, and keeps the claims alone."""
        container_port(wanted)
        with self._api() as api:
            refuse_older(wanted, _numbers(api, wanted.app, wanted.stage))
            for each in _all_of(wanted, "dry-run"):
                api.apply(each, dry=True)
            for claim in manifests.claims(wanted):
                # One that is there may have been enlarged since, and is left as it is.
                if api.get("PersistentVolumeClaim", _name(claim)) is None:
                    api.apply(claim, dry=True)
                    api.apply(claim)

    def run_once(
        self, wanted: Wanted, argv: Sequence[str], *, milliseconds: int, beside: Replica | None = None
    ) -> Once:
        """See ``Target.run_once``: a Job, removed when it has ended; beside a pod, an ephemeral container of it.

        Such a container stays in its pod's record, and nothing ends it before the pod: when its time is over, it has
        failed all the same.
        """
        if beside:
            with self._api() as api:
                return _beside(api, wanted, beside.id, argv, milliseconds)
        batch = f"once-{randomness.token_hex(3)}"
        wish = manifests.job(wanted, batch, argv, -(-milliseconds // 1000) + round(self._pulling))
        with self._api() as api:
            try:
                secret = manifests.secret(wanted, batch)
                if secret:
                    api.apply(secret)
                api.apply(wish)
                return _to_end(api, wanted, batch, milliseconds / 1000 + self._pulling)
            finally:
                with suppress(TargetError):
                    api.delete("Job", _name(wish))
                    _delete_batch(api, wanted.app, wanted.stage, batch)

    def replace(self, wanted: Wanted, check: Callable[[Sequence[Replica]], None]) -> tuple[Replica, ...]:
        """See ``Target.replace``: the Service is turned to the new pods when they have been checked."""
        batch = f"{wanted.number}-{randomness.token_hex(3)}"
        with self._api() as api:
            refuse_older(wanted, _numbers(api, wanted.app, wanted.stage))
            for each in _all_of(wanted, batch):
                api.apply(each, dry=True)
            try:
                check(self._started(api, wanted, batch))
                _turn_service(api, wanted, batch, self._turning)
            except BaseException:
                with suppress(TargetError):
                    _delete_batch(api, wanted.app, wanted.stage, batch)
                raise
            with following():
                self._keep(wanted, batch)
                for other in _batches(api, wanted.app, wanted.stage) - {batch}:
                    _delete_batch(api, wanted.app, wanted.stage, other)
            return _told(api, {manifests.BATCH: batch})

    def scale(self, wanted: Wanted, check: Callable[[Sequence[Replica]], None]) -> tuple[Replica, ...]:
        """See ``Target.scale``; but new pods get traffic when they are ready, and are checked then."""
        with self._api() as api:
            refuse_older(wanted, _numbers(api, wanted.app, wanted.stage))
            name, batch, count = _current(api, wanted)
            wish = manifests.deployment(wanted, batch)
            api.apply(wish, dry=True)
            api.apply(wish)
            try:
                self._await(api, wanted, name, batch)
                if wanted.deploy.replicas > count:
                    check(_told(api, {manifests.BATCH: batch}))
            except BaseException:
                deploy = wanted.deploy.model_copy(update={"replicas": count})
                before = replace(wanted, deploy=deploy)
                with suppress(TargetError):
                    api.apply(manifests.deployment(before, batch))
                    self._await(api, before, name, batch)
                raise
            self._keep(wanted, batch)
            return _told(api, {manifests.BATCH: batch})

    def observe(self, app: str, stage: str) -> tuple[Replica, ...]:
        """See ``Target.observe``."""
        with self._api() as api:
            return _told(api, manifests.labels_of(app, stage))

    def remove(self, app: str, stage: str) -> None:
        """See ``Target.remove``; claims, and with them the volumes, stay."""
        with self._api() as api:
            for each in _batches(api, app, stage):
                _delete_batch(api, app, stage, each)
            api.delete("Service", manifests.name_of(app, stage))

    def _api(self) -> Api:
        return Api(read_kubeconfig(self._path))

    def _started(self, api: Api, wanted: Wanted, batch: str) -> tuple[Replica, ...]:
        """Apply a Deployment, and wait for all of its pods."""
        secret = manifests.secret(wanted, batch)
        if secret:
            api.apply(secret)
        applied = api.apply(manifests.deployment(wanted, batch))
        self._await(api, wanted, str(applied["metadata"]["name"]), batch)
        return _told(api, {manifests.BATCH: batch})

    def _await(self, api: Api, wanted: Wanted, name: str, batch: str) -> None:
        health = wanted.deploy.health
        seconds = self._pulling + (health.within / 1000 if health else 0)
        if not api.wait(lambda: _is_rolled_out(api, wanted, name, batch), seconds):
            raise TargetError(f"the pods of {name} did not get ready within {seconds:g} s")

    def _keep(self, wanted: Wanted, batch: str) -> None:
        """Write down what was applied, for people and for `kubectl`; values of secrets are not in it."""
        shown = [*manifests.claims(wanted), *_all_of(wanted, batch)]
        shown = [each for each in shown if each["kind"] != "Secret"]
        folder = self._folder / wanted.app / wanted.stage
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "kubernetes.yaml", manifests.to_yaml(shown).encode())


def _all_of(wanted: Wanted, batch: str) -> tuple[manifests.Manifest, ...]:
    """Return every object of a replacement but the claims, in the order in which they are needed."""
    found = (manifests.secret(wanted, batch), manifests.deployment(wanted, batch), manifests.service(wanted, batch))
    return tuple(each for each in found if each is not None)


def _turn_service(api: Api, wanted: Wanted, batch: str, seconds: float) -> None:
    wish = manifests.service(wanted, batch)
    if wish:
        api.apply(wish)
        time.sleep(seconds)
    else:
        api.delete("Service", manifests.name_of(wanted.app, wanted.stage))


def _is_rolled_out(api: Api, wanted: Wanted, name: str, batch: str) -> bool:
    """Tell whether the cluster has seen the Deployment as it is now, and all of its pods are ready.

    Raises:
        TargetError: a pod will not get ready by waiting.
    """
    trouble = _troubles(api, batch)
    if trouble:
        raise TargetError(f"the pods of {name} do not get ready: {trouble}")
    found = api.get("Deployment", name)
    if found is None:
        raise TargetError(f"somebody removed the Deployment {name}")
    status = found.get("status") or {}
    has_seen = int(status.get("observedGeneration") or 0) >= int(found["metadata"].get("generation") or 0)
    counts = {int(status.get(each) or 0) for each in ("replicas", "updatedReplicas", "readyReplicas")}
    pods = api.listed("Pod", {manifests.BATCH: batch})
    return has_seen and counts == {wanted.deploy.replicas} and sum(map(is_ready, pods)) == wanted.deploy.replicas


def _troubles(api: Api, batch: str) -> str:
    pods = api.listed("Pod", {manifests.BATCH: batch})
    told = (f"{each['metadata']['name']}: {trouble_of(each)}" for each in pods if trouble_of(each))
    return "; ".join(told)


def _to_end(api: Api, wanted: Wanted, batch: str, seconds: float) -> Once:
    """Wait for the end of a Job's pod."""

    def ended() -> tuple[str, int] | None:
        for pod in api.listed("Pod", {manifests.BATCH: batch}):
            trouble, code = trouble_of(pod), exit_code(pod, manifests.CONTAINER)
            if trouble:
                raise TargetError(f"a pod of {wanted.app} cannot run: {trouble}")
            if code is not None:
                return str(pod["metadata"]["name"]), code
        return None

    if not api.wait(lambda: ended() is not None, seconds):
        return Once(exit=_LATE, output=f"it did not end within {seconds:g} s")
    found = ended()
    if found is None:
        raise TargetError(f"the pod of {wanted.app} is gone before its exit code was read")
    return Once(exit=found[1], output=masked(api.log(found[0], manifests.CONTAINER), wanted.secrets))


def _beside(api: Api, wanted: Wanted, pod: str, argv: Sequence[str], milliseconds: int) -> Once:
    """Run a command in an ephemeral container of a pod."""
    name = f"{manifests.BESIDE}{randomness.token_hex(3)}"
    found = api.get("Pod", pod)
    if found is None:
        raise TargetError(f"there is no pod {pod} any more")
    batch = str(found["metadata"]["labels"].get(manifests.BATCH, ""))
    api.add_beside(pod, manifests.beside(wanted, batch, argv, name))

    def ended() -> int | None:
        return exit_code(api.get("Pod", pod) or {}, name)

    if not api.wait(lambda: ended() is not None, milliseconds / 1000):
        return Once(exit=_LATE, output=f"it did not end within {milliseconds / 1000:g} s")
    return Once(exit=ended() or 0, output=masked(api.log(pod, name), wanted.secrets))


def _current(api: Api, wanted: Wanted) -> tuple[str, str, int]:
    """Return the Deployment of the last replacement, its batch and how many pods it is to have.

    Raises:
        TargetError: there is none.
    """
    found = api.listed("Deployment", manifests.labels_of(wanted.app, wanted.stage))
    if not found:
        hint = f"`seatrial deploy {wanted.app} --stage {wanted.stage}` runs it"
        raise TargetError(f"nothing of {wanted.app} runs in {wanted.stage}", hint=hint)
    last = max(found, key=lambda each: Marks.parse(each["metadata"].get("annotations") or {}).number)
    head = last["metadata"]
    return str(head["name"]), str(head["labels"][manifests.BATCH]), int(last["spec"]["replicas"])


def _told(api: Api, labels: Mapping[str, str]) -> tuple[Replica, ...]:
    return tuple(replica_of(each) for each in _living(api, labels))


def _living(api: Api, labels: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
    """Return the pods that are not about to end."""
    return tuple(each for each in api.listed("Pod", labels) if not each["metadata"].get("deletionTimestamp"))


def _numbers(api: Api, app: str, stage: str) -> tuple[int, ...]:
    found = api.listed("Deployment", manifests.labels_of(app, stage))
    return tuple(Marks.parse(each["metadata"].get("annotations") or {}).number for each in found)


def _batches(api: Api, app: str, stage: str) -> set[str]:
    found = [*api.listed("Deployment", manifests.labels_of(app, stage))]
    found += api.listed("Secret", manifests.labels_of(app, stage))
    return {str(each["metadata"]["labels"].get(manifests.BATCH, "")) for each in found} - {""}


def _delete_batch(api: Api, app: str, stage: str, batch: str) -> None:
    """Delete what belongs to a replacement, and wait until its pods are about to end."""
    name = f"{manifests.name_of(app, stage)}-{batch}"
    api.delete("Deployment", name)
    api.delete("Secret", name)
    api.wait(lambda: not _living(api, {manifests.BATCH: batch}), _ENDING)


def _name(manifest: manifests.Manifest) -> str:
    head = manifest["metadata"]
    return str(head["name"]) if isinstance(head, Mapping) else ""
