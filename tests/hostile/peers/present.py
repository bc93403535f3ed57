"""The peers of this machine, each started with everything of its own where it is a service."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engines import DEBIAN_PATH, fresh_place, podman_options, program_of, started_dockerd

from peers import layers as unpacked
from peers import runs
from peers.commands import NO_HYBRID, quietly

ALL = ("runc", "crun", "podman", "docker", "umoci")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """Who can be asked: for a run, for a layer; and who is installed, but does not do even what is of no harm."""

    runs: Mapping[str, runs.Run]
    layers: Mapping[str, unpacked.Unpack]
    idle: tuple[str, ...]


@contextmanager
def started(*wanted: str) -> Iterator[Peers]:
    """Start those of some peers (all, if none is named) that are installed, and end them."""
    here = [each for each in wanted or ALL if shutil.which(each, path=DEBIAN_PATH)]
    runners: dict[str, runs.Run] = {}
    unpackers: dict[str, unpacked.Unpack] = {}
    if "runc" in here:
        runners["runc"] = runs.by_bundle(program_of("runc"))
    if "crun" in here:
        runners["crun"] = runs.by_bundle(program_of("crun"), *NO_HYBRID)
    if "umoci" in here:
        unpackers["umoci"] = unpacked.by_umoci
    with ExitStack() as stack:
        if "podman" in here:
            store = fresh_place("podman")
            stack.callback(shutil.rmtree, store, ignore_errors=True)
            stack.callback(quietly, program_of("podman"), *podman_options(store), "system", "reset", "--force")
            runners["podman"], unpackers["podman"] = runs.by_podman(store), unpacked.by_podman(store)
        if "docker" in here:
            address = stack.enter_context(started_dockerd())
            data = Path(address.removeprefix("unix://")).parent / "data"
            runners["docker"], unpackers["docker"] = runs.by_docker(address), unpacked.by_docker(address, data)
        idle = {name for name, run in runners.items() if not runs.is_at_work(run)}
        idle |= {name for name, unpack in unpackers.items() if not unpacked.is_at_work(unpack)}
        yield Peers(
            runs={name: run for name, run in runners.items() if name not in idle},
            layers={name: unpack for name, unpack in unpackers.items() if name not in idle},
            idle=tuple(sorted(idle)),
        )
