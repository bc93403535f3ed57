"""How long a promotion takes from one stage's store to the next, beside `skopeo copy`: one run, in turns.

    python bench/promotion.py [--turns N] [--megabytes N] [--attached N] [--json]

Two of Debian's docker-registry are started on loopback. In each turn a new image with statements attached to it goes
from one stage's repository into others that have nothing yet, by each way: inside one registry, where blobs are taken
over without being sent, and into the other one. A promotion is all of it but the suite's run: the number is reserved,
the journal written, image and statements moved and read back, the tag moved last. "ours" is measured in this process,
with connections that are kept; "command" is a process of its own, as `skopeo copy --preserve-digests` is, which moves
the image alone. What one has left to be written to disk is written before the next begins. Layers are gzip of what
cannot be compressed, so that nobody compresses them anew. Exits 1 if a bar is not met.

    python bench/promotion.py promote SOURCE TARGET DATA

is that command: SOURCE is the repository of a release, ``HOST/NAME:TAG``, TARGET another one, ``HOST/NAME``, and DATA
the folder of the journal.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from registry import MOST, call, check, figures, opened, put_image, registry, skopeo, text_of

from pipeline.registry.http import Connections
from pipeline.registry.unfinished import Unfinished
from pipeline.release.journal import Journal
from pipeline.release.move import move
from pipeline.release.registry_stage import RegistryStage
from pipeline.release.stage_tags import LIVE
from runtime.digest import Digest
from runtime.oci.attached import Artifact, attach_artifact
from runtime.oci.remote import parse_remote


def main() -> None:
    """Measure, print the table, and judge it; or promote one image."""
    if sys.argv[1:2] == ["promote"]:
        with opened() as connections:
            promote(sys.argv[2], sys.argv[3], Path(sys.argv[4]), connections)
        return
    wishes = read_arguments()
    with tempfile.TemporaryDirectory(prefix="seatrial-promotion-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        here, there = (stack.enter_context(registry(folder / each)) for each in ("here", "there"))
        series = measure(here, there, folder, wishes, stack.enter_context(opened()))
    found = figures(series, wishes, MOST)
    print(json.dumps(found, indent=2) if wishes.json else text_of(found))
    sys.exit(not all(each["met"] for each in found["bars"]))


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=200, help="of the image")
    parser.add_argument("--attached", type=int, default=5, help="statements beside the image")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def promote(source: str, target: str, data: Path, connections: Connections) -> Digest:
    """Promote what a tag names, and return the digest that is live then."""
    remote = parse_remote(source)
    store = RegistryStage(parse_remote(target), connections, unfinished=Unfinished(data / "uploads"))
    origin = RegistryStage(remote, connections)
    found = origin.tagged(remote.tag)
    if found is None:
        raise LookupError(f"there is no {source}")
    journal = Journal(data / "promotions", clock=lambda: int(time.time()))
    with journal.begin(store, "bench", store.remote.repository.replace("/", "-"), found.digest) as intent:
        intent.step("move")
        intent.make_live(move(origin, store, found.digest).release)
    return found.digest


def measure(
    here: str, there: str, folder: Path, wishes: argparse.Namespace, connections: Connections
) -> Mapping[str, list[float]]:
    """Return the seconds of each way: one promotion of each a turn, the first of which is not counted."""
    ways: dict[str, Callable[[str, str], object]] = {
        "ours": lambda source, target: promote(source, target, folder, connections),
        "command": lambda source, target: call(sys.executable, __file__, "promote", source, target, str(folder)),
        "skopeo": lambda source, target: skopeo(source, f"{target}:{LIVE}"),
    }
    series: dict[str, list[float]] = {f"{place}, {way}": [] for place in ("inside", "across") for way in ways}
    for turn in range(wishes.turns + 1):
        source = f"{here}/dev-{turn}:{LIVE}"
        digest = put_image(source, wishes.megabytes << 20, connections)
        attach(source, digest, wishes.attached, connections)
        for name, taken in series.items():
            place, _, way = name.partition(", ")
            target = f"{here if place == 'inside' else there}/{way}-{turn}"
            os.sync()
            begin = time.perf_counter()
            ways[way](source, target)
            taken.append(time.perf_counter() - begin)
            check(f"{target}:{LIVE}", digest, connections)
    return {name: each[1:] for name, each in series.items()}


def attach(source: str, image: Digest, count: int, connections: Connections) -> None:
    """Attach statements to an image, of the size that signed ones have."""
    store = RegistryStage(parse_remote(source), connections)
    for _ in range(count):
        blob = store.write(os.urandom(4096), "application/vnd.dev.sigstore.bundle.v0.3+json")
        attach_artifact(Artifact(kind=blob.media_type, blobs=(blob,), annotations={}), image, store)


if __name__ == "__main__":
    main()
