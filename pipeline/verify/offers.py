"""What this machine can do: the hosts that can run here, and the parts that they rest on."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.declare.hosts import Catalogue
from runtime.backend import Unsupported
from runtime.backends.native.backend import NativeBackend
from runtime.digest import Digest
from runtime.host import Host
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
    about = f"namespaces, overlayfs, seccomp ({'root' if os.geteuid() == 0 else 'rootless'})"
    with NativeBackend(layers=_no_layers) as native:
        missing = native.available()
        offers = tuple(_offer(host, native, is_required=host.name in required) for host in catalogue.hosts())
    return Examination(offers=offers, abilities=(Ability(name="native", about=about, unavailable=missing),))


def _offer(host: Host, native: NativeBackend, *, is_required: bool) -> Offer:
    checked = native.check(host.apply(_empty_plan()))
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
