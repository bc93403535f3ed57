"""What stands around a target in tests: how it is started, asked, and tampered with by an administrator."""

import contextlib
import http.client
import json
import os
import secrets
import shutil
import socket

import pytest
from busybox_image import lay_layout
from docker import APIClient
from engines import program_of, started_dockerd, started_podman
from package_world import Authority

from pipeline.declare.stage_file import DeployPart
from pipeline.release.targets.compose import ComposeTarget
from pipeline.release.targets.engine_target import DockerTarget
from pipeline.release.targets.kubernetes import KubernetesTarget
from pipeline.release.targets.native import NativeTarget
from pipeline.release.targets.podman import PodmanTarget
from pipeline.release.targets.target import Wanted
from runtime.oci.image import Image
from runtime.oci.layout import Layout

ANSWER = 'echo "$VERSION" > /tmp/index.html; exec /bin/busybox httpd -f -p 8000 -h /tmp'
PORT = 8000
FULL = {"PathOnHost": "/dev/full", "PathInContainer": "/dev/more", "CgroupPermissions": "rwm"}

SETTINGS = (
    *("Binds", "CapAdd", "CapDrop", "Init", "Memory", "MemorySwap", "NetworkMode", "PidsLimit", "PortBindings"),
    *("RestartPolicy", "SecurityOpt", "ShmSize", "Tmpfs", "Ulimits"),
)
"""What an administrator's tool takes over when it makes a container anew."""


def lay_image(folder, version, config):
    """Add the app in a version to a layout: it answers with its version."""
    settings = {
        "Env": ["PATH=/bin", f"VERSION={version}"],
        "Cmd": ["/bin/sh", "-c", ANSWER],
        "User": "app",
        "ExposedPorts": {f"{PORT}/tcp": {}},
        **config,
    }
    return lay_layout(folder, f"app-{version}", **settings)


class World:
    """One target, and an app in it.

    Args:
        target: what is tested.
        layout: the folder of the images.
        images: version → digest.
        pulls: whether images come from the registry.
    """

    def __init__(self, target, layout, images, *, pulls):
        self.target, self.layout, self.images, self.pulls = target, layout, images, pulls
        self.names_manifests = True
        self.app = f"app{secrets.token_hex(3)}"
        self.number = 0

    def wanted(self, version="one", *, secrets=None, number=None, image=None, **deploy):
        """Return a deployment of a version; each has a higher number than the one before."""
        self.number += 1
        digest = image or self.images(version)
        part = {"target": self.kind, "health": {"http": "/index.html", "port": PORT, "within": "20s"}, **deploy}
        part["secrets"] = tuple(secrets or ())
        return Wanted(
            app=self.app,
            stage="prod",
            number=number or self.number,
            release=digest,
            image=Image.open(Layout(self.layout), digest),
            layout=self.layout,
            repository=self.images.repository if self.pulls else "",
            deploy=DeployPart.model_validate(part),
            secrets=secrets or {},
        )

    def deploy(self, wanted, check=lambda _: None):
        self.target.prepare(wanted)
        return self.target.replace(wanted, check)

    def observe(self):
        return self.target.observe(self.app, "prod")

    def ask(self, port):
        """Return what the app answers at a port of this machine."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/index.html")
            return connection.getresponse().read().decode().strip()

    def clean(self):
        self.target.remove(self.app, "prod")
        self.app, self.number = f"app{secrets.token_hex(3)}", 0


class EngineWorld(World):
    """A target that an engine is behind, and what its administrator may do without us."""

    def __init__(self, target, layout, images, *, kind, address, pulls=True):
        super().__init__(target, layout, images, pulls=pulls)
        self.kind, self.address = kind, address
        self.api = APIClient(base_url=address, version="auto", timeout=60)

    def recreate(self, name, *, body=None, host=None):
        """Make a container anew under its name and with its labels, with other settings."""
        found = self.api.inspect_container(name)
        config, settings = found["Config"], found["HostConfig"]
        kept = {"Image", "Env", "Cmd", "Entrypoint", "Labels", "User", "WorkingDir", "ExposedPorts"}
        made = {key: value for key, value in config.items() if key in kept and value is not None}
        made["HostConfig"] = {key: settings[key] for key in SETTINGS if settings.get(key) is not None} | (host or {})
        for each in made["HostConfig"].get("Ulimits") or ():  # Podman tells names that it does not take
            each["Name"] = each["Name"].lower().removeprefix("rlimit_")
        self.api.remove_container(name, force=True)
        self.api.create_container_from_config(made | (body or {}), name=name)
        self.api.start(name)

    def edit_file(self, name):
        command = ["/bin/sh", "-c", "echo mallory:x:0:0:::/bin/sh >> /etc/passwd"]
        made = self.api.exec_create(name, command, user="0")
        assert self.api.exec_start(made["Id"]) == b""
        assert self.api.exec_inspect(made["Id"])["ExitCode"] == 0

    def tamper(self, what, name):
        """Do what makes a drift of a kind, as somebody with the engine's own tools would."""
        found = self.api.inspect_container(name)
        host, less = found["HostConfig"], {"Memory": 64 << 20, "MemorySwap": 64 << 20}
        ways = {
            "environment": lambda: self.recreate(name, body={"Env": [*found["Config"]["Env"], "DEBUG=1"]}),
            "files": lambda: self.edit_file(name),
            "mounts": lambda: self.recreate(name, host={"Binds": [*(host["Binds"] or ()), "/etc:/mnt:ro"]}),
            "capabilities": lambda: self.recreate(name, host={"CapAdd": [*host["CapAdd"], "SYS_PTRACE"]}),
            "devices": lambda: self.recreate(name, host={"Devices": [FULL]}),
            "memory": lambda: self.api.update_container(name, mem_limit=64 << 20, memswap_limit=64 << 20),
            "user": lambda: self.recreate(name, body={"User": "0"}),
            "state": lambda: self.api.stop(name, timeout=1),
            "digests": lambda: self.recreate(name, body={"Image": self.pulled("other")}),
        }
        if self.kind == "podman":  # 4.3 changes no limit of what runs
            ways["memory"] = lambda: self.recreate(name, host=less)
        ways[what]()

    def pulled(self, version):
        """Return the name of another image that the engine has then, from the registry whatever ours came from."""
        digest = self.images(version)
        for _ in self.api.pull(self.images.repository, tag=str(digest), stream=True):
            pass
        return f"{self.images.repository}@{digest}"

    def close(self):
        self.api.close()


@contextlib.contextmanager
def docker_world(folder, layout, images):
    with started_dockerd() as address, _closing(
        EngineWorld(DockerTarget(address), layout, images, kind="docker", address=address)
    ) as world:
        yield world


@contextlib.contextmanager
def loaded_world(folder, layout, images):
    """Docker without a registry."""
    with started_dockerd() as address, _closing(
        EngineWorld(DockerTarget(address), layout, images, kind="docker", address=address, pulls=False)
    ) as world:
        world.names_manifests = False
        yield world


@contextlib.contextmanager
def compose_world(folder, layout, images):
    program = program_of("docker-compose")
    with started_dockerd() as address, _closing(
        EngineWorld(ComposeTarget(folder, address, (program,)), layout, images, kind="compose", address=address)
    ) as world:
        world.folder = folder
        yield world


@contextlib.contextmanager
def podman_world(folder, layout, images):
    if os.geteuid() and not (shutil.which("slirp4netns") and os.access("/dev/net/tun", os.R_OK | os.W_OK)):
        pytest.skip("podman gives no network here to a plain user")
    settings, registries = folder / "containers.conf", folder / "registries.conf"
    settings.write_text(f'[network]\nnetwork_config_dir = "{folder}/networks"\n')
    (folder / "networks").mkdir()
    host = images.repository.partition("/")[0]
    registries.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_CONF", str(settings))
        patch.setenv("CONTAINERS_REGISTRIES_CONF", str(registries))
        with started_podman() as address, _closing(
            EngineWorld(PodmanTarget(None, address), layout, images, kind="podman", address=address)
        ) as world:
            yield world


class ClusterWorld(World):
    """A simulated cluster, and what its administrator may do."""

    kind = "kubernetes"

    def tamper(self, what, name):
        """Do what makes a drift of a kind, as `kubectl edit` would."""

        def change(pod):
            (container,) = pod["spec"]["containers"]
            match what:
                case "environment":
                    container["env"].append({"name": "DEBUG", "value": "1"})
                case "mounts":
                    pod["spec"]["volumes"].append({"name": "more", "hostPath": {"path": "/etc"}})
                    container["volumeMounts"].append({"name": "more", "mountPath": "/mnt"})
                case "capabilities":
                    container["securityContext"]["capabilities"]["add"].append("SYS_PTRACE")
                case "memory":
                    container["resources"]["limits"]["memory"] = "64Mi"
                case "user":
                    container["securityContext"]["runAsUser"] = 0
                case "state":
                    pod["status"] |= {"phase": "Failed", "conditions": [{"type": "Ready", "status": "False"}]}
                case "digests":
                    other = f"{self.images.repository}@{self.images('other')}"
                    pod["status"]["containerStatuses"][0]["imageID"] = other

        self.cluster.edit("pods", name, change)


@contextlib.contextmanager
def kubernetes_world(folder, layout, images):
    simulated_cluster = pytest.importorskip("simulated_cluster", reason="kubernetes-validate is not installed")
    authority, token = Authority(folder), secrets.token_hex(16)
    registry = images.repository.partition("/")[0]
    with simulated_cluster.started_cluster(registry, authority, token) as (cluster, server):
        write_kubeconfig(folder / "config", server, authority, {"token": token})
        target = KubernetesTarget(folder / "kept", {"KUBECONFIG": str(folder / "config")}, pulling=2, turning=0)
        world = ClusterWorld(target, layout, images, pulls=True)
        world.cluster, world.folder, world.server, world.authority = cluster, folder, server, authority
        yield world


def write_kubeconfig(path, server, authority, user):
    """Write a kubeconfig for a server."""
    cluster = {"server": server, "certificate-authority": str(authority.path)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me", "namespace": "apps"}}],
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "me", "user": user}],
    }
    path.write_text(json.dumps(config))


@contextlib.contextmanager
def native_world(folder, layout, images):
    world = World(NativeTarget(folder), layout, images, pulls=False)
    world.kind = "native"
    yield world
    world.target.remove(world.app, "prod")


@contextlib.contextmanager
def _closing(world):
    try:
        yield world
    finally:
        world.close()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


WORLDS = {
    "native": native_world,
    "docker": docker_world,
    "loaded": loaded_world,
    "compose": compose_world,
    "podman": podman_world,
    "kubernetes": kubernetes_world,
}
