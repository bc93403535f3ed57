"""How long a gate takes over 50 statements, offline: in a process, and as a whole command.

    python bench/gate.py [--times N] [--json]

A release stands in the stage test, a layout of this machine, and asks to enter prod, whose policy names five hosts and
wants two signers. Beside it lie 50 signed statements: 46 verdicts on five hosts each, by two keys, the newest of which
decide; three acceptances and a provenance. In a process, the bundles are read out of the layout and judged, which
`judge` alone is timed of too. A command is `seatrial gate` from its start to its end, in a process of its own. The
figure that is held against a bar is the median; the slowest is printed beside it, and the least CPU time, which tells
what a machine with nothing else to do would take. Exits 1 if a bar is not met.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.declare.hosts import Catalogue
from pipeline.declare.keyring_file import Role
from pipeline.declare.stage_catalogue import StageCatalogue
from pipeline.gating import Asked, Grounds, ask_gate
from pipeline.registry.access import Access
from pipeline.registry.http import Connections
from pipeline.release.acceptance import Acceptance, AcceptedHost, AcceptedImage
from pipeline.release.attest import Statement, Subject
from pipeline.release.bundle import to_bundle
from pipeline.release.evidence import attach_evidence, find_evidence
from pipeline.release.gate import judge
from pipeline.release.keyring import Keyring
from pipeline.release.keyring_changes import make_holder, new_keyring, signed_by, with_holder
from pipeline.release.policy import Policy
from pipeline.release.private_key import PrivateKey, machine_key
from pipeline.release.signing import sign
from pipeline.release.verdicts import Seen
from pipeline.verify.verdict import EnvironmentResult, HostResult, State, VerdictWord
from runtime.digest import Digest
from runtime.factors import FACTORS
from runtime.oci.attached import AttachedLayout
from runtime.oci.descriptor import CONFIG, LAYER_TAR, MANIFEST, Descriptor
from runtime.oci.image import Image
from runtime.oci.layout import Layout

MOST_IN_PROCESS = 0.2
MOST_AS_COMMAND = 0.5

HOSTS = ("reference", "hardened", "read-only", "umask-0077", "locale-c")
STATEMENTS = 50
ACCEPTANCES = 3
DAY = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A project with a release in its stage test, and the evidence beside it."""

    folder: Path
    store: Path
    keyring: Keyring
    now: int


def make(folder: Path, now: int) -> World:
    """Write the project, the keys, the stages, the release and its statements."""
    (folder / "pyproject.toml").touch()
    policy = f"policy: {{hosts: [{', '.join(HOSTS)}], signers: {{threshold: 2}}}}"
    for name, after in (("test", ""), ("prod", "after: test\n")):
        path = folder / "specs" / "stages" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"seatrial: 1\nname: {name}\n{after}trust: keyring\n{policy}\n")
    keys = (machine_key(folder / "keys"), PrivateKey.new())
    found = signed_by(new_keyring([keys[0].public], 1, now + DAY), keys[0])
    roles = (Role.VERIFIER, Role.PROMOTER, Role.BUILDER)
    for name, key in zip(("ci", "second"), keys, strict=True):
        holder = make_holder(name, key.public, roles, now - 300 * DAY, 600 * DAY)
        found = signed_by(with_holder(found.keyring, holder), keys[0])
    (folder / "specs" / "keyring.json").write_bytes(found.to_bytes())
    layout = Layout(folder / "store" / "stages" / "test" / "web")
    image = _image(layout)
    _attach_all(_statements(folder, image, now), image, layout, keys, now)
    return World(folder=folder, store=folder / "store", keyring=found.keyring, now=now)


def _image(layout: Layout) -> Image:
    layer = layout.write(b"\0" * 1024, LAYER_TAR)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer.digest.text]}}
    described = layout.write(json.dumps(config).encode(), CONFIG)
    document = {"schemaVersion": 2, "config": described.to_json(), "layers": [layer.to_json()]}
    raw = json.dumps(document, default=dict).encode()
    manifest = layout.write(raw, MANIFEST)
    layout.add_manifest(Descriptor(media_type=MANIFEST, digest=manifest.digest, size=len(raw)), name="current")
    return Image.open(layout, manifest.digest)


def _statements(folder: Path, image: Image, now: int) -> list[Statement]:
    """Return all of them, as long as real ones: evidence of every factor, on every host."""
    catalogue = Catalogue.of(folder / "envs" / "web.yaml")
    stage = StageCatalogue.of(folder / "envs" / "web.yaml").stage("test")
    hosts = [catalogue.host(name) for name in HOSTS]
    behavior, suite, normalization = (Digest.of(each) for each in (b"behavior", b"suite", b"normalization"))
    results = tuple(
        HostResult(
            name=host.name,
            digest=host.digest,
            factors=host.differing,
            state=State.SAME if host.factors and host.name != "reference" else State.REFERENCE,
            behavior=behavior,
            tests={"passed": 412, "failed": 0, "errored": 0, "skipped": 3, "missing": 0},
            runs=2,
            evidence={factor.name: host.level(factor.name) for factor in FACTORS},
            ambient={"kernel": "6.1.0-28-amd64", "cpu": "x86-64-v3"},
        )
        for host in hosts
    )
    result = EnvironmentResult(
        name="web",
        spec="envs/web.yaml",
        lock=Digest.of(b"lock"),
        image=image.digest,
        suite=suite,
        normalization=normalization,
        verdict=VerdictWord.PASSED,
        headline="web behaves the same on 5 hosts",
        behavior=behavior,
        tests={"passed": 412},
        hosts=results,
    )
    subject = Subject(name="web", digest=image.digest)
    provenance = Statement(
        subjects=(subject,), predicate_type="https://slsa.dev/provenance/v1", predicate={"buildDefinition": {}}
    )
    accepted = AcceptedImage(
        digest=image.digest,
        architecture=image.architecture,
        config=Digest(image.manifest["config"]["digest"]),  # type: ignore[index, call-overload, arg-type]
        layers=tuple(each.descriptor.digest for each in image.layers),
        diff_ids=image.diff_ids,
        suite=suite,
        normalization=normalization,
        hosts=tuple(AcceptedHost(name=each.name, digest=each.digest, behavior=behavior) for each in hosts),
    )
    acceptances = [
        Acceptance(
            stage="test",
            app="web",
            store="oci-layout:test/web",
            release=image.digest,
            images=(accepted,),
            number=number,
            previous=None,
            policy=Policy.of(stage, catalogue).digest,
            inputs=(Digest.of(b"input"),),
            at=now - DAY,
        ).statement()
        for number in range(1, ACCEPTANCES + 1)
    ]
    count = STATEMENTS - len(acceptances) - 1
    verdicts = [Seen(result=result, image=image, at=now - DAY * (each // 2)).portability() for each in range(count)]
    return [*verdicts, *acceptances, provenance]


def _attach_all(
    statements: list[Statement], image: Image, layout: Layout, keys: tuple[PrivateKey, ...], now: int
) -> None:
    store = AttachedLayout(layout)
    for number, each in enumerate(statements):
        bundle = to_bundle(sign(each, keys[number % len(keys)]))
        attach_evidence(bundle, each.predicate_type, image.digest, store, at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long something took, each time: in seconds, and of the processors alone."""

    wall: list[float]
    cpu: list[float]


def timed(times: int, run: Callable[[], Any]) -> Times:
    """Return how long something took, whoever did it."""
    found = Times(wall=[], cpu=[])
    for _ in range(times):
        start, before = time.perf_counter(), sum(os.times()[:4])
        run()
        found.wall.append(time.perf_counter() - start)
        found.cpu.append(sum(os.times()[:4]) - before)
    return found


def ask(world: World) -> Asked:
    """Ask the gate of the stage prod, as the command does."""
    beside = world.folder / "envs" / "web.yaml"
    with closing(Connections(Access(), size=1)) as connections:
        grounds = Grounds(
            stages=StageCatalogue.of(beside),
            hosts=Catalogue.of(beside),
            store=world.store,
            connections=connections,
            keyring=world.keyring,
            local=None,
        )
        return ask_gate("web", "prod", grounds, now=world.now)


def bundles(asked: Asked, store: Path) -> list[bytes]:
    """Return what lies beside the release."""
    layout = Layout(store / "stages" / "test" / "web")
    return [each.bundle for each in find_evidence(asked.question.released.digest, AttachedLayout(layout))]


def measure(world: World, times: int) -> dict[str, Times]:
    """Return the times of each way to ask."""
    environment = {
        **os.environ,
        "SEATRIAL_STORE": str(world.store),
        "SEATRIAL_KEYS": str(world.folder / "keys"),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    command = [sys.executable, "-m", "pipeline.cli.main", "gate", "web", "--stage", "prod", "--quiet"]
    asked = ask(world)
    beside = bundles(asked, world.store)
    if asked.decision.accepted is None or len(beside) != STATEMENTS:
        raise SystemExit("\n".join([f"{len(beside)} statements", *(each.line for each in asked.decision.refusals)]))

    def run() -> None:
        subprocess.run(command, cwd=world.folder, env=environment, check=True, capture_output=True)

    return {
        "judge": timed(times, lambda: judge(asked.question, beside)),
        "in process": timed(times, lambda: ask(world)),
        "as a command": timed(times, run),
    }


def main() -> int:
    """Measure, print, and return 1 if a bar is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seatrial-gate-") as folder:
        found = measure(make(Path(folder), int(time.time())), arguments.times)
    bars = {"in process": MOST_IN_PROCESS, "as a command": MOST_AS_COMMAND}
    figures = {
        name: {"median": statistics.median(each.wall), "slowest": max(each.wall), "cpu": min(each.cpu)}
        for name, each in found.items()
    }
    if arguments.json:
        print(json.dumps(figures, indent=1))
    else:
        for name, figure in figures.items():
            bar = f", bar {bars[name]} s" if name in bars else ""
            shown = ", ".join(f"{value * 1000:.0f} ms {what}" for what, value in figure.items())
            print(f"{name:<14}{shown}{bar}")
    return int(any(figures[name]["median"] >= bar for name, bar in bars.items()))


if __name__ == "__main__":
    sys.exit(main())
