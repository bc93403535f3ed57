"""How long an image takes from one repository to another, beside skopeo: one run, in turns.

    python bench/registry.py [--turns N] [--megabytes N] [--json]

Two of Debian's docker-registry are started on loopback. In each turn a new image goes from a repository into others
that have nothing yet, by each way: inside one registry, where blobs are taken over without being sent, and into the
other one; new, since skopeo remembers where it has put a blob before. "ours" is measured in this process, with
connections that are kept, from the request until the tag was read back; "command" is a process of its own, as
`skopeo copy --preserve-digests` is. Layers are gzip of what cannot be compressed, so that nobody compresses them anew.
Exits 1 if a bar is not met.

    python bench/registry.py copy SOURCE TARGET

is that command: it copies one image, ``HOST/NAME:TAG`` to ``HOST/NAME:TAG``.
"""

import argparse
import contextlib
import gzip
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ratio import ratio_of_medians

from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from pipeline.registry.push import push_image
from pipeline.registry.registry import Registry
from pipeline.registry.repository import PARALLEL
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.oci.descriptor import CONFIG, LAYER_GZIP, MANIFEST
from runtime.oci.layout import Layout
from runtime.oci.remote import parse_remote

MOST_SECONDS = 1.0
"""Of a command inside one registry."""

MOST = {"inside, ours": 0.5, "inside, command": 1.0, "across, ours": 1 / 0.9}
"""The way → the most of skopeo's time that it may take."""

_SHARES = (0.6, 0.2, 0.1, 0.1)
"""Of the bytes of the image, by layer."""


def main() -> None:
    """Measure, print the table, and judge it; or copy one image."""
    if sys.argv[1:2] == ["copy"]:
        with opened() as connections:
            copy(sys.argv[2], sys.argv[3], connections)
        return
    wishes = read_arguments()
    with tempfile.TemporaryDirectory(prefix="seatrial-registry-") as name, contextlib.ExitStack() as stack:
        here, there = (stack.enter_context(registry(Path(name) / each)) for each in ("here", "there"))
        connections = stack.enter_context(opened())
        series = measure(here, there, wishes, connections)
    found = figures(series, wishes, {**MOST, "across, command": MOST["across, ours"]})
    print(json.dumps(found, indent=2) if wishes.json else text_of(found))
    sys.exit(not all(each["met"] for each in found["bars"]))


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=200, help="of the image")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


@contextlib.contextmanager
def opened() -> Iterator[Connections]:
    """Yield connections that are kept until the end."""
    connections = Connections(Access(), size=PARALLEL)
    try:
        yield connections
    finally:
        connections.close()


def copy(source: str, target: str, connections: Connections) -> Digest:
    """Copy an image, and return the digest that the target's tag has now."""
    registry_of_source = Registry(parse_remote(source), connections)
    digest = Digest.of(registry_of_source.manifest())
    push_image(digest, registry_of_source, parse_remote(target), connections)
    return digest


def figures(
    series: Mapping[str, list[float]], wishes: argparse.Namespace, limits: Mapping[str, float]
) -> dict[str, Any]:
    """Return all figures: seconds of each way, ratios to skopeo's, and the bars.

    Args:
        series: the way → its seconds, of each turn.
        wishes: the command line.
        limits: the way → the most of skopeo's time that it may take.
    """
    ratios = {
        name: ratio_of_medians(series[name], series[f"{name.partition(',')[0]}, skopeo"])
        for name in series
        if not name.endswith("skopeo")
    }
    bars = [bar(f"{name}, of skopeo", ratios[name].high, most) for name, most in limits.items()]
    bars.append(bar("inside, command, seconds", statistics.median(series["inside, command"]), MOST_SECONDS))
    return {
        "load": round(os.getloadavg()[0], 1),
        **{name: value for name, value in vars(wishes).items() if name != "json"},
        "seconds": {name: round(statistics.median(each), 4) for name, each in series.items()},
        "ratios": {
            name: [round(each.value, 3), round(each.low, 3), round(each.high, 3)] for name, each in ratios.items()
        },
        "bars": bars,
    }


def measure(here: str, there: str, wishes: argparse.Namespace, connections: Connections) -> Mapping[str, list[float]]:
    """Return the seconds of each way: one copy of each a turn, the first of which is not counted."""
    ways: dict[str, Callable[[str, str], object]] = {
        "ours": lambda source, target: copy(source, target, connections),
        "command": lambda source, target: call(sys.executable, __file__, "copy", source, target),
        "skopeo": skopeo,
    }
    series: dict[str, list[float]] = {f"{place}, {way}": [] for place in ("inside", "across") for way in ways}
    for turn in range(wishes.turns + 1):
        source = f"{here}/dev-{turn}:1"
        digest = put_image(source, wishes.megabytes << 20, connections)
        for name, taken in series.items():
            place, _, way = name.partition(", ")
            target = f"{here if place == 'inside' else there}/{way}-{turn}:1"
            begin = time.perf_counter()
            ways[way](source, target)
            taken.append(time.perf_counter() - begin)
            check(target, digest, connections)
    return {name: each[1:] for name, each in series.items()}


def skopeo(source: str, target: str) -> None:
    """Copy an image as skopeo does."""
    program = shutil.which("skopeo")
    if program is None:
        raise FileNotFoundError("skopeo is not installed")
    call(
        program,
        "copy",
        "--quiet",
        "--preserve-digests",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        f"docker://{source}",
        f"docker://{target}",
    )


def call(*command: str) -> None:
    """Run a program that has to succeed."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run(command, check=True, env=environment)


def check(target: str, digest: Digest, connections: Connections) -> None:
    """Refuse a copy that has another digest."""
    found = Digest.of(Registry(parse_remote(target), connections).manifest())
    if found != digest:
        raise RuntimeError(f"{target} is {found}, and {digest} was copied")


def put_image(target: str, size: int, connections: Connections) -> Digest:
    """Put a new image of so many bytes into a registry, and return its digest."""
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout(Path(folder))
        digest = write_image(layout, size)
        push_image(digest, layout, parse_remote(target), connections)
    return digest


def write_image(layout: Layout, size: int) -> Digest:
    """Write a new image, and return its digest."""
    archives = [os.urandom(int(size * share)) for share in _SHARES]
    layers = [layout.write(gzip.compress(each, 0, mtime=0), LAYER_GZIP).to_json() for each in archives]
    diff_ids = [Digest.of(each).text for each in archives]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.write(to_canonical_json(config), CONFIG).to_json(),
        "layers": layers,
    }
    return layout.write(to_canonical_json(manifest), MANIFEST).digest


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Start a docker-registry whose files lie in a folder, and yield its address."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\n"
        f"http: {{addr: 127.0.0.1:{port}}}\n"
    )
    program = shutil.which("docker-registry") or "/usr/bin/docker-registry"
    output = subprocess.DEVNULL
    with subprocess.Popen([program, "serve", str(config)], stdout=output, stderr=output) as server:
        try:
            wait(port)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()


def wait(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.1)
    raise TimeoutError("the registry does not answer")


def bar(name: str, value: float, most: float) -> dict[str, Any]:
    """Return a bar, and whether it is met."""
    return {"name": name, "value": round(value, 3), "most": round(most, 3), "met": value <= most}


def text_of(found: Mapping[str, Any]) -> str:
    """Return the figures as people read them."""
    lines = [f"{found['turns']} turns, {found['megabytes']} MB, load {found['load']}"]
    lines += [f"{name:<18} {seconds:8.3f} s" for name, seconds in found["seconds"].items()]
    lines += [f"{name:<18} {value} [{low}, {high}] of skopeo" for name, (value, low, high) in found["ratios"].items()]
    lines += [
        f"{'met' if each['met'] else 'NOT MET':<8} {each['name']}: {each['value']} (at most {each['most']})"
        for each in found["bars"]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
