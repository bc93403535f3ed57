"""A Kubernetes API server of our own, with as much of a cluster behind it as a deployment needs.

**Server-side apply**, as "Server-Side Apply" of the Kubernetes documentation and KEP-555 say it:

* A PATCH of ``application/apply-patch+yaml`` needs ``fieldManager``, and makes the object (201) or merges it (200).
* Maps merge by key. Lists of containers, variables, ports, volumes and mounts merge by their keys (``name``,
  ``containerPort``, ``port``, ``mountPath``); other lists are one value.
* Each manager owns the fields that it applied. A field that another manager owns with another value is a conflict,
  409, unless ``force=true``. Fields that a manager applied before and leaves out now are removed if nobody else owns
  them.
* ``fieldValidation=Strict``: an unknown field is refused, 400. Other faults by the schema of the version are 422.
* ``dryRun=All``: all of this, defaults and all checks included, and the answer is the object as it would be; nothing is
  stored, no generation rises and no controller sees it.
* What may not change is refused, 422: the selector of a Deployment, the template of a Job, a smaller claim.

**Controllers**: a Deployment gets pods, which pull their image from the registry by its digest; ``imageID`` is what
was pulled. What a deleted Deployment or Job had ends a moment after it. ``status`` follows the spec a moment later,
with ``observedGeneration``. A pod is ready if its readiness probe asks for the port on which the app listens. The
command of a Job, and of an ephemeral container, is really run on this machine, with the variables of the pod alone.
There is no network.

Source: Kubernetes API reference 1.30; the schemas are those of the PyPI package kubernetes-validate.
"""

import copy
import json
import re
import secrets
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate

VERSION = "1.30.0"
LISTENS = 8000
_DELAY = 0.15  # seconds after which controllers have done their work
_KEYS = {
    "containers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "ports": ("containerPort", "port"),
    "volumes": "name",
    "volumeMounts": "mountPath",
}
_ROUTE = re.compile(r"/(?:api/v1|apis/[^/]+/v1)/namespaces/apps/([a-z]+)(?:/([^/]+))?(/[a-z]+)?")
_OURS = {"changed", "orphaned", "owner"}  # of an object's metadata
_KINDS = {
    "deployments": "Deployment",
    "jobs": "Job",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "pods": "Pod",
    "secrets": "Secret",
    "services": "Service",
}


class RefusedError(Exception):
    """What the server answers in place of an object."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Cluster:
    """The objects of one namespace, and the controllers.

    Args:
        registry: where images are pulled from.
    """

    def __init__(self, registry):
        self.registry = registry
        self.objects = {}
        self.applied = {}
        self.requests = []
        self.refuse = ""  # what an admission controller has against every object
        self.lock = threading.RLock()

    # -- requests -------------------------------------------------------------------------------------------------

    def apply(self, plural, name, wish, query):
        manager = query.get("fieldManager")
        if not manager:
            raise RefusedError(400, "fieldManager is required for apply patch")
        if wish.get("kind") != _KINDS[plural] or wish["metadata"].get("name") != name:
            raise RefusedError(400, "the name or the kind in the object is another one than in the URL")
        self._validate(wish)
        if self.refuse:
            raise RefusedError(422, self.refuse)
        with self.lock:
            before = self.objects.get((plural, name))
            owned = dict(self.applied.get((plural, name), {}))
            self._refuse_conflicts(plural, name, wish, manager, query)
            found = copy.deepcopy(before) if before else {"apiVersion": wish["apiVersion"], "kind": wish["kind"]}
            others = [paths for owner, paths in owned.items() if owner != manager]
            for path in sorted(set(owned.get(manager, {})) - set(leaves(wish)), key=len, reverse=True):
                if not any(path in each for each in others):
                    remove(found, path)
            merge(found, wish)
            self._refuse_changes(plural, before, found)
            self._default(plural, before, found)
            if query.get("dryRun") == "All":
                return found, before is None
            owned[manager] = leaves(wish)
            self.objects[plural, name], self.applied[plural, name] = found, owned
            return found, before is None

    def edit(self, plural, name, change):
        """Change an object as `kubectl edit` does: by another manager."""
        with self.lock:
            found = self.objects[plural, name]
            change(found)
            found["metadata"]["generation"] = found["metadata"].get("generation", 0) + 1
            found["metadata"]["changed"] = time.monotonic()

    def get(self, plural, name):
        with self.lock:
            self._reconcile()
            if (plural, name) not in self.objects:
                raise RefusedError(404, f'{plural} "{name}" not found')
            return shown(self.objects[plural, name])

    def listed(self, plural, selector):
        wanted = dict(each.split("=") for each in selector.split(",") if each)
        with self.lock:
            self._reconcile()
            items = [shown(each) for (kind, _), each in sorted(self.objects.items()) if kind == plural]
        fitting = [each for each in items if wanted.items() <= (each["metadata"].get("labels") or {}).items()]
        return {"kind": "List", "apiVersion": "v1", "items": fitting}

    def delete(self, plural, name):
        with self.lock:
            if (plural, name) not in self.objects:
                raise RefusedError(404, f'{plural} "{name}" not found')
            del self.objects[plural, name]
            self.applied.pop((plural, name), None)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def add_beside(self, name, patch):
        with self.lock:
            pod = self.objects.get(("pods", name))
            if pod is None:
                raise RefusedError(404, f'pods "{name}" not found')
            merge(pod["spec"], patch["spec"])
            for each in patch["spec"]["ephemeralContainers"]:
                statuses = pod["status"].setdefault("ephemeralContainerStatuses", [])
                statuses.append({"name": each["name"], **self._run(pod, each)})
            return shown(pod)

    def log(self, name, container):
        with self.lock:
            pod = self.objects.get(("pods", name))
            if pod is None:
                raise RefusedError(404, f'pods "{name}" not found')
            return pod["logs"].get(container, "")

    # -- checks ---------------------------------------------------------------------------------------------------

    def _validate(self, wish):
        try:
            kubernetes_validate.validate(wish, VERSION.rpartition(".")[0], strict=True)
        except kubernetes_validate.ValidationError as error:
            is_unknown = "Additional properties" in str(error)
            raise RefusedError(400 if is_unknown else 422, f"{wish['kind']} is invalid: {error}") from error
        name = wish["metadata"]["name"]
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", name):
            raise RefusedError(422, f"the name {name!r} is no RFC 1123 subdomain")
        for key, value in (wish["metadata"].get("labels") or {}).items():
            if not re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value):
                raise RefusedError(422, f"the label {key}={value!r} is invalid")

    def _refuse_conflicts(self, plural, name, wish, manager, query):
        mine = leaves(wish)
        for owner, paths in self.applied.get((plural, name), {}).items():
            clash = [path for path in paths.keys() & mine.keys() if paths[path] != mine[path]]
            if owner != manager and clash and query.get("force") != "true":
                raise RefusedError(409, f"conflict with {owner!r}: {clash[0]}")
            if owner != manager:
                for path in clash:
                    del paths[path]

    def _refuse_changes(self, plural, before, found):
        if before is None:
            return
        fixed = {"deployments": ("selector",), "jobs": ("template", "selector")}.get(plural, ())
        for each in fixed:
            if before["spec"].get(each) != found["spec"].get(each):
                raise RefusedError(422, f"spec.{each}: Invalid value: field is immutable")
        if plural == "persistentvolumeclaims":
            old, new = (each["spec"]["resources"]["requests"]["storage"] for each in (before, found))
            if int(new.removesuffix("Gi")) < int(old.removesuffix("Gi")):
                raise RefusedError(422, "spec.resources.requests.storage: field can not be less than previous value")

    def _default(self, plural, before, found):
        head = found["metadata"]
        head.setdefault("uid", secrets.token_hex(8))
        if before is None or before.get("spec") != found.get("spec"):
            head["generation"] = (before or {"metadata": {}})["metadata"].get("generation", 0) + 1
            head["changed"] = time.monotonic()
        if plural == "secrets" and "stringData" in found:
            found["data"] = found.pop("stringData")

    # -- controllers ----------------------------------------------------------------------------------------------

    def _reconcile(self):
        for (plural, name), each in list(self.objects.items()):
            has_come = time.monotonic() - each["metadata"].get("changed", 0) > _DELAY
            if plural == "deployments" and has_come:
                self._roll_out(name, each)
            elif plural == "jobs" and has_come:
                self._run_job(name, each)

        for key, each in list(self.objects.items()):
            owner = each["metadata"].get("owner")
            if owner and owner not in self.objects:
                since = each["metadata"].setdefault("orphaned", time.monotonic())
                if time.monotonic() - since > _DELAY:
                    del self.objects[key]

    def _roll_out(self, name, deployment):
        spec = deployment["spec"]
        pods = [key for key, pod in self.objects.items() if pod["metadata"].get("owner") == ("deployments", name)]
        for key in [key for key in pods if self.objects[key]["template"] != spec["template"]]:
            del self.objects[key]
            pods.remove(key)
        for key in pods[spec["replicas"] :]:  # those that were made last go first
            del self.objects[key]
        for _ in range(spec["replicas"] - len(pods)):
            self._add_pod(f"{name}-{secrets.token_hex(3)}", ("deployments", name), spec["template"])
        now = [pod for pod in self.objects.values() if pod["metadata"].get("owner") == ("deployments", name)]
        ready = sum(is_ready(each) for each in now)
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": len(now),
            "updatedReplicas": len(now),
            "readyReplicas": ready,
            "availableReplicas": ready,
        }

    def _run_job(self, name, job):
        if any(pod["metadata"].get("owner") == ("jobs", name) for pod in self.objects.values()):
            return
        pod = self._add_pod(f"{name}-{secrets.token_hex(3)}", ("jobs", name), job["spec"]["template"])
        (container,) = pod["spec"]["containers"]
        status = pod["status"]["containerStatuses"][0]
        if "running" in status["state"]:
            status |= self._run(pod, container)
            pod["status"]["conditions"] = []
            pod["status"]["phase"] = "Failed" if status["state"]["terminated"]["exitCode"] else "Succeeded"

    def _add_pod(self, name, owner, template):
        spec = copy.deepcopy(template["spec"])
        (container, *_) = spec["containers"]
        image_id = self._pull(container["image"])
        probe = container.get("readinessProbe") or {}
        port = (probe.get("httpGet") or probe.get("tcpSocket") or {"port": LISTENS})["port"]
        ready = bool(image_id) and port == LISTENS
        waiting = {"waiting": {"reason": "ErrImagePull", "message": f"{container['image']}: not found"}}
        state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}} if image_id else waiting
        status = {"name": container["name"], "ready": ready, "state": state, "imageID": image_id}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {**copy.deepcopy(template["metadata"]), "name": name, "owner": owner},
            "spec": spec,
            "template": copy.deepcopy(template),
            "logs": {},
            "status": {
                "phase": "Running" if image_id else "Pending",
                "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
                "containerStatuses": [status],
            },
        }
        self.objects["pods", name] = pod
        return pod

    def _pull(self, image):
        """Return ``REPOSITORY@DIGEST`` as a node tells it; empty where the registry has no such image."""
        place, _, digest = image.partition("@")
        host, _, repository = place.partition("/")
        connection = HTTPConnection(host, timeout=10)
        try:
            accept = "application/vnd.oci.image.manifest.v1+json"
            connection.request("HEAD", f"/v2/{repository}/manifests/{digest}", headers={"Accept": accept})
            answer = connection.getresponse()
            return f"{place}@{answer.headers['Docker-Content-Digest']}" if answer.status == 200 else ""
        finally:
            connection.close()

    def _run(self, pod, container):
        """Run a command to its end, and return the rest of its container's status."""
        command = [expanded(each) for each in container.get("command") or ()]
        environment = {"PATH": "/bin:/usr/bin", **dict(self._variables(container))}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
        pod["logs"][container["name"]] = done.stdout + done.stderr
        code = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return {"state": {"terminated": {"exitCode": code}}, "imageID": self._pull(container["image"])}

    def _variables(self, container):
        for each in container.get("env") or ():
            reference = (each.get("valueFrom") or {}).get("secretKeyRef")
            if reference:
                yield each["name"], self.objects["secrets", reference["name"]]["data"][reference["key"]]
            else:
                yield each["name"], expanded(each.get("value") or "")


def is_ready(pod):
    return any(each == {"type": "Ready", "status": "True"} for each in pod["status"]["conditions"])


def expanded(text):
    """Replace as a node does: ``$$`` is ``$``, and ``$(NAME)`` would be a variable: nothing here names one."""
    return re.sub(r"\$\$|\$\([^)]*\)", lambda found: "$" if found[0] == "$$" else "", text)


def shown(found):
    """Return an object without what only this simulator knows."""
    result = {key: value for key, value in found.items() if key not in {"template", "logs"}}
    result["metadata"] = {key: value for key, value in found["metadata"].items() if key not in _OURS}
    return copy.deepcopy(result)


def leaves(value, path=()):
    """Return path → value of each field; items of keyed lists are told by their keys."""
    if isinstance(value, dict) and value:
        return {name: leaf for key, each in value.items() for name, leaf in leaves(each, (*path, key)).items()}
    if isinstance(value, list) and path and path[-1] in _KEYS:
        items = {key_of(path[-1], each): each for each in value}
        return {name: leaf for key, each in items.items() for name, leaf in leaves(each, (*path, key)).items()}
    return {path: json.dumps(value, sort_keys=True)}


def key_of(name, item):
    keys = _KEYS[name] if isinstance(_KEYS[name], tuple) else (_KEYS[name],)
    return next((f"[{key}={item[key]}]" for key in keys if key in item), f"[{json.dumps(item, sort_keys=True)}]")


def merge(into, wish):
    for key, each in wish.items():
        if isinstance(each, dict) and isinstance(into.get(key), dict):
            merge(into[key], each)
        elif isinstance(each, list) and key in _KEYS:
            known = {key_of(key, item): item for item in into.setdefault(key, [])}
            for item in each:
                if key_of(key, item) in known:
                    merge(known[key_of(key, item)], item)
                else:
                    into[key].append(copy.deepcopy(item))
        else:
            into[key] = copy.deepcopy(each)


def remove(found, path):
    """Take a field away, and an item of a keyed list of which only its key is left."""
    for key in path[:-1]:
        found = _step(found, key)
        if found is None:
            return
    if isinstance(found, dict):
        found.pop(path[-1], None)


def _step(found, key):
    if isinstance(found, dict):
        return found.get(key)
    if isinstance(found, list):
        name, _, value = key.strip("[]").partition("=")
        return next((each for each in found if str(each.get(name)) == value), None)
    return None


# -- HTTPS ----------------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Answers for the cluster of its server."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer("GET")

    def do_PATCH(self):
        self._answer("PATCH")

    def do_DELETE(self):
        self._answer("DELETE")

    def _answer(self, method):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.cluster.requests.append((method, self.path))
        try:
            self._authenticate()
            status, found = self._routed(method, body)
        except RefusedError as error:
            status = error.status
            found = {"kind": "Status", "apiVersion": "v1", "message": error.message, "code": status}
        raw = found.encode() if isinstance(found, str) else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _authenticate(self):
        certificate = self.connection.getpeercert()
        if self.headers.get("Authorization") != f"Bearer {self.server.token}" and not certificate:
            raise RefusedError(401, "Unauthorized")

    def _routed(self, method, body):
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/version":
            return 200, {"gitVersion": f"v{VERSION}"}
        route = _ROUTE.fullmatch(parts.path)
        if route is None or route[1] not in _KINDS:
            raise RefusedError(404, "the server could not find the requested resource")
        if method == "PATCH":
            return self._patched(*route.groups(), json.loads(body), query)
        return 200, self._found(method, *route.groups(), query)

    def _patched(self, plural, name, below, wish, query):
        kind = self.headers.get("Content-Type", "")
        if below == "/ephemeralcontainers" and kind == "application/strategic-merge-patch+json":
            return 200, self.server.cluster.add_beside(name, wish)
        if below or kind != "application/apply-patch+yaml":
            raise RefusedError(415, f"a patch of {kind} is not supported")
        found, is_new = self.server.cluster.apply(plural, name, wish, query)
        return (201 if is_new else 200), shown(found)

    def _found(self, method, plural, name, below, query):
        cluster = self.server.cluster
        match method, below:
            case "GET", "/log":
                return cluster.log(name, query["container"])
            case "GET", None if name:
                return cluster.get(plural, name)
            case "GET", None:
                return cluster.listed(plural, query.get("labelSelector", ""))
            case "DELETE", None if name:
                return cluster.delete(plural, name)
        raise RefusedError(405, f"{method} is not supported here")


@contextmanager
def started_cluster(registry, authority, token):
    """Serve a cluster on loopback, and give it with its address.

    Args:
        registry: where images are pulled from.
        authority: an ``Authority`` of ``package_world``: makes the server's certificate, and verifies clients'.
        token: the bearer token that is accepted.
    """
    cluster = Cluster(registry)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("localhost"))
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_OPTIONAL
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.cluster, server.token = cluster, token
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield cluster, f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
