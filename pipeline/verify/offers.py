"""What this machine can do: the hosts that can run here, and the parts that they rest on."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.declare.hosts import Catalogue
from runtime.backend import Unsupported
from runtime.backends.catalogue import BACKENDS, AnyBackend, Backends
from runtime.backends.native.emulation import EMULATORS, lacking_emulator
from runtime.backends.native.idmap import RANGE, lacking_range
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.platform import own_architecture
from runtime.plan import Plan, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A host, why it cannot run here (None if it can), and whether the specs need it."""

    host: Host
    unavailable: Unsupported | None = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """A part of this machine that runs need: its name, what was found, why it is missing (None if it is there)."""

    name: str
    about: str
    unavailable: Unsupported | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What this machine can do: hosts in the catalogue's order, and the parts that they rest on."""

    offers: tuple[Offer, ...]
    abilities: tuple[Ability, ...]


def examine_machine(catalogue: Catalogue, required: Collection[str] = ()) -> Examination:
    """Return what this machine can do.

    Args:
        catalogue: the hosts to look at.
        required: the names of those that the specs need.
    """
    with Backends(_no_layers) as backends:
        abilities = tuple(_ability(backends.named(name)) for name in BACKENDS)
        offers = tuple(_offer(host, backends, is_required=host.name in required) for host in catalogue.hosts())
    foreign = (each for each in EMULATORS if each != own_architecture())
    return Examination(offers=offers, abilities=(*abilities, *map(_emulator, foreign), _ids(os.geteuid())))


def _ids(uid: int) -> Ability:
    """Return whether this user has a range of ids for its runs; without one all works still, the user emulated."""
    lacking = lacking_range(uid) if uid else None
    missing = None
    if lacking:
        reason = f"{lacking.message}: one id is used, and the user of a run is emulated"
        missing = Unsupported(reason=reason, hint=lacking.hint)
    return Ability(name="ids", about=f"a range of {RANGE} ids: the user of a run is native", unavailable=missing)


def _emulator(architecture: str) -> Ability:
    """Return whether images of another architecture can be built and run here."""
    about = f"images of {architecture}, by {EMULATORS[architecture].program}: advisory"
    return Ability(name=architecture, about=about, unavailable=lacking_emulator(architecture))


def _ability(backend: AnyBackend) -> Ability:
    missing = backend.available()
    return Ability(name=backend.name, about="" if missing else backend.about, unavailable=missing)


def _offer(host: Host, backends: Backends, *, is_required: bool) -> Offer:
    checked = backends.check(host.apply(_empty_plan()))
    missing = checked if isinstance(checked, Unsupported) else None
    return Offer(host=host, unavailable=missing, required=is_required)


def _empty_plan() -> Plan:
    """Return a plan of no image: whether a host can be had here does not depend on what runs on it."""
    return Plan(
        image=Digest.of(b""),
        suite=None,
        argv=("true",),
        workdir="/",
        environment={},
        user=User(uid=1000, gid=1000, home="/home/app"),
        capabilities=(),
    )


def _no_layers(image: Digest) -> tuple[Path, ...]:
    raise LookupError(f"{image} is not run: only its plan is looked at")
