"""What this machine can do: the hosts that can run here, and the parts that they rest on."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.declare.hosts import Catalogue
from runtime.backend import Unsupported
from runtime.backends.catalogue import BACKENDS, AnyBackend, Backends
from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.emulation import EMULATORS, lacking_emulator
from runtime.backends.native.grounds import Ground, read_grounds
from runtime.backends.native.idmap import RANGE, lacking_range
from runtime.backends.native.machine import text_of
from runtime.digest import Digest
from runtime.factors import FACTORS
from runtime.factors.factor import Factor
from runtime.factors.machinery import RuntimeFactor
from runtime.host import Host
from runtime.launcher import launcher_path
from runtime.oci.platform import own_architecture
from runtime.outcome import Fidelity
from runtime.plan import PYTEST_RESULTS, Plan, User


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
class LevelOffer:
    """A level of a factor on the native runtime: how true it is here, or why it cannot be had."""

    factor: str
    level: str
    fidelity: Fidelity | None = None
    unavailable: Unsupported | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What this machine can do: hosts in the catalogue's order, the parts that they rest on, the factors' levels."""

    offers: tuple[Offer, ...]
    abilities: tuple[Ability, ...]
    levels: tuple[LevelOffer, ...] = ()


def examine_machine(catalogue: Catalogue, required: Collection[str] = ()) -> Examination:
    """Return what this machine can do.

    Args:
        catalogue: the hosts to look at.
        required: the names of those that the specs need.
    """
    with Backends(_no_layers) as backends:
        abilities = tuple(_ability(backends.named(name)) for name in BACKENDS)
        offers = tuple(_offer(host, backends, is_required=host.name in required) for host in catalogue.hosts())
        native = backends.named(NativeBackend.name)
        assert isinstance(native, NativeBackend)  # noqa: S101 - its name says so
        grounds = tuple(map(_of_ground, read_grounds(text_of, os.geteuid(), native.enforces)))
        levels = tuple(_level(each.name, level, backends) for each in FACTORS for level in _told(each))
    foreign = tuple(_emulator(each) for each in EMULATORS if each != own_architecture())
    abilities = (*abilities, *foreign, *grounds, _launcher(), _ids(os.geteuid()))
    return Examination(offers=offers, abilities=abilities, levels=levels)


def _told(factor: Factor) -> tuple[str, ...]:
    """Return the levels to tell of: which runtimes are here, each backend says for itself."""
    return () if factor.name == RuntimeFactor.name else tuple(factor.levels)


def _level(factor: str, level: str, backends: Backends) -> LevelOffer:
    found = backends.check(Host(name="level", factors={factor: level}).apply(_empty_plan()))
    if isinstance(found, Unsupported):
        return LevelOffer(factor=factor, level=level, unavailable=found)
    return LevelOffer(factor=factor, level=level, fidelity=found[factor])


def _of_ground(ground: Ground) -> Ability:
    return Ability(name=ground.name, about="" if ground.missing else ground.about, unavailable=ground.missing)


def _launcher() -> Ability:
    """Return whether the small C helper is here: without it the native runtime works, and no other one."""
    path = launcher_path()
    missing = Unsupported(
        reason="the launcher was not built when Seatrial was installed: other runtimes cannot be used",
        hint="run `sudo apt-get install gcc libc6-dev`, then install Seatrial again",
    )
    about = f"{path.name}: starts programs in containers of other runtimes" if path else ""
    return Ability(name="launcher", about=about, unavailable=None if path else missing)


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
    """Return a plan of no image, with a suite of pytest: whether a host can be had here depends on little of it."""
    return Plan(
        image=Digest.of(b""),
        suite=None,
        argv=("true",),
        workdir="/app",
        environment={},
        user=User(uid=1000, gid=1000, home="/home/app"),
        capabilities=(),
        results=PYTEST_RESULTS,
    )


def _no_layers(image: Digest) -> tuple[Path, ...]:
    raise LookupError(f"{image} is not run: only its plan is looked at")
