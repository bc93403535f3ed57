"""``Api``: the requests to a cluster that a deployment needs, over HTTPS.

Source: Kubernetes, "API concepts" and "Server-Side Apply".
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import quote, urlencode

from pipeline.declare.errors import TargetError
from pipeline.release.targets.kubeconfig import Cluster
from pipeline.release.targets.kubernetes_manifests import Manifest
from runtime.canonical import to_canonical_json

MANAGER = "seatrial"
"""The owner of the fields that are applied."""

_APPLY = "application/apply-patch+yaml"  # JSON is YAML
_PLACES = {
    "Deployment": ("apis/apps/v1", "deployments"),
    "Job": ("apis/batch/v1", "jobs"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Pod": ("api/v1", "pods"),
    "Secret": ("api/v1", "secrets"),
    "Service": ("api/v1", "services"),
}
_PAUSE = 0.2  # seconds
_MOST = 16 << 20


class Api:
    """A cluster's API; closed by leaving ``with``.

    Args:
        cluster: where it is, and who asks.
    """

    def __init__(self, cluster: Cluster) -> None:
        from urllib3 import PoolManager, Retry, Timeout  # noqa: PLC0415 - only who deploys to a cluster needs it

        self._cluster = cluster
        # What is applied twice is applied once; a connection that was refused is tried again, an answer never is.
        retries = Retry(total=3, connect=3, read=0, redirect=0, status=0, backoff_factor=0.3)
        timeout = Timeout(connect=10, read=30)
        self._pool = PoolManager(ssl_context=cluster.context, retries=retries, timeout=timeout, num_pools=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def version(self) -> str:
        """Return the version of the server."""
        return str(self._ask("GET", f"{self._cluster.server}/version").get("gitVersion", ""))

    def apply(self, manifest: Manifest, *, dry: bool = False) -> Mapping[str, Any]:
        """Apply a manifest on the server's side, and return what is there then.

        Args:
            manifest: the fields that are ours; others' fields stay.
            dry: the server checks and completes it as it would, and keeps nothing.

        Raises:
            TargetError: it is refused.
        """
        # Fields of others are taken over: who deploys says what runs.
        query = {"fieldManager": MANAGER, "force": "true", "fieldValidation": "Strict"}
        query |= {"dryRun": "All"} if dry else {}
        url = f"{self._url(str(manifest['kind']), _name(manifest))}?{urlencode(query)}"
        return self._ask("PATCH", url, to_canonical_json(manifest), _APPLY)

    def get(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """Return an object, None where there is none."""
        return self._ask("GET", self._url(kind, name), missing=True) or None

    def listed(self, kind: str, labels: Mapping[str, str]) -> tuple[Mapping[str, Any], ...]:
        """Return the objects that have all these labels, sorted by name."""
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        found = self._ask("GET", f"{self._url(kind)}?{urlencode({'labelSelector': selector})}")
        return tuple(sorted(found.get("items") or (), key=lambda each: str(each["metadata"]["name"])))

    def delete(self, kind: str, name: str) -> None:
        """Delete an object with what depends on it; one that is gone is no error."""
        self._ask("DELETE", f"{self._url(kind, name)}?propagationPolicy=Background", missing=True)

    def add_beside(self, pod: str, container: Manifest) -> None:
        """Start an ephemeral container in a pod."""
        body = to_canonical_json({"spec": {"ephemeralContainers": [container]}})
        url = f"{self._url('Pod', pod)}/ephemeralcontainers?fieldManager={MANAGER}"
        self._ask("PATCH", url, body, "application/strategic-merge-patch+json")

    def log(self, pod: str, container: str) -> str:
        """Return the last of what a container wrote."""
        query = urlencode({"container": container, "limitBytes": 64 << 10, "tailLines": 2000})
        return self._raw("GET", f"{self._url('Pod', pod)}/log?{query}", b"", "").decode("utf-8", "replace")

    def wait(self, is_done: Callable[[], bool], seconds: float) -> bool:
        """Ask until it is done; return whether it was in time."""
        end = time.monotonic() + seconds
        while not is_done():
            if time.monotonic() > end:
                return False
            time.sleep(_PAUSE)
        return True

    def _url(self, kind: str, name: str = "") -> str:
        group, plural = _PLACES[kind]
        base = f"{self._cluster.server}/{group}/namespaces/{quote(self._cluster.namespace)}/{plural}"
        return f"{base}/{quote(name)}" if name else base

    def _ask(
        self, method: str, url: str, body: bytes = b"", kind: str = "", *, missing: bool = False
    ) -> Mapping[str, Any]:
        raw = self._raw(method, url, body, kind, missing=missing)
        try:
            found: Mapping[str, Any] = json.loads(raw) if raw else {}
        except ValueError as error:
            message = f"the cluster at {self._cluster.server} answers no JSON to {method} {_shown(url)}"
            raise TargetError(message) from error
        return found

    def _raw(self, method: str, url: str, body: bytes, kind: str, *, missing: bool = False) -> bytes:
        """Return the body of an answer; empty where ``missing`` is expected and the object is.

        Raises:
            TargetError: the cluster does not answer, or refuses.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

        headers = {"Accept": "application/json", "User-Agent": "seatrial"}
        headers |= {"Content-Type": kind} if kind else {}
        headers |= {"Authorization": f"Bearer {self._cluster.token}"} if self._cluster.token else {}
        try:
            answer = self._pool.request(method, url, body=body or None, headers=headers, preload_content=False)
            raw: bytes = answer.read(_MOST, decode_content=True)
            answer.release_conn()
        except HTTPError as error:
            message = f"the cluster at {self._cluster.server} does not answer: {error}"
            raise TargetError(message, hint="try `kubectl cluster-info`") from error
        if answer.status == 404 and missing:
            return b""
        if answer.status >= 400:
            raise TargetError(f"the cluster refuses {method} {_shown(url)}: {answer.status} {_reason(raw)}")
        return raw


def _name(manifest: Manifest) -> str:
    head = manifest["metadata"]
    return str(head["name"]) if isinstance(head, Mapping) else ""


def _shown(url: str) -> str:
    return url.partition("?")[0].partition("//")[2].partition("/")[2]


def _reason(raw: bytes) -> str:
    """Return what a ``Status`` says, else the first of the text."""
    try:
        return str(json.loads(raw)["message"])
    except (ValueError, TypeError, KeyError):
        return raw[:300].decode("utf-8", "replace")
