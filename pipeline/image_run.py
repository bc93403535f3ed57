"""``run_image``: one image on one host, without spec, lock and suite; a cold command, so it imports little."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.build.unpacked import trees_of
from pipeline.verify.here import host_here
from pipeline.verify.image_plan import image_plan
from runtime.backends.native.backend import NativeBackend
from runtime.data import dataclass
from runtime.errors import BackendError, ImageError, StoreError
from runtime.factors.architecture import ArchitectureFactor
from runtime.factors.machinery import KernelFactor, RuntimeFactor
from runtime.factors.user import UserFactor
from runtime.host import Host
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.oci.platform import MACHINES, own_architecture
from runtime.oci.reference import FORMS, Reference, find_image, parse_reference, wrong_platform
from runtime.outcome import Outcome
from runtime.plan import Plan

if TYPE_CHECKING:
    from runtime.backends.catalogue import Backends
    from runtime.backends.native.launch import Launched

Listener = Callable[[bytes], None]

REFERENCE = "reference"
"""The host that an image runs on if none is named."""

_BESIDE = Path("envs", "spec.yaml")  # hosts are looked up as for a spec there


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be run.

    Args:
        image: how the image is called; see ``runtime.oci.reference``.
        host: its name; None for the reference.
        levels: factor → level, over the host's.
        argv: the command, as it is; None for the image's own entry point and arguments.
        repeat: how many times.
        store: its folder: layers are unpacked there once, and images are looked up there.
        destinations: whether whom the command tries to reach is told; see ``Order.destinations``.
    """

    image: str
    host: str | None = None
    levels: Mapping[str, str]
    argv: tuple[str, ...] | None = None
    repeat: int = 1
    store: Path
    destinations: bool = False


def run_image(
    wish: Wish, listeners: tuple[Listener, Listener], launched: "Launched | None" = None
) -> tuple[Outcome, ...]:
    """Run an image, some times.

    Args:
        wish: what to run.
        listeners: take what the command writes to stdout and to stderr, as it comes.
        launched: a warm process that is on its way; it has ended when this returns.

    Raises:
        ImageError, StoreError, DigestError, SpecError, HostError, FactorError, BackendError: nothing can be run; the
            message says why.
    """
    layers: tuple[Path, ...] = ()
    with NativeBackend(lambda _: layers, destinations=wish.destinations, launched=launched) as native:
        reference = parse_reference(wish.image)
        base = host_of(wish.host or REFERENCE)
        host = Host(name=base.name, factors={**base.factors, **wish.levels})
        layout = layout_of(reference, wish.store)
        image = open_image(reference, layout, _architecture_of(host))
        trees = trees_of(wish.store, layout)
        if not trees.hold(image.layers):
            trees.sweep()
        layers = trees.paths(image.layers)
        host = host_here(host, [image.architecture or own_architecture()])
        has_own_user = host.level(UserFactor.name) == UserFactor.default
        plan = host.apply(plan_of(image, layers, wish, has_own_user=has_own_user))
        if not plan.levels.keys() & {RuntimeFactor.name, KernelFactor.name}:
            return run_on(native, plan, host, wish.repeat, listeners)
    from pipeline.build.kernels import kernels_of  # noqa: PLC0415 - loads much, and few runs need it
    from runtime.backends.catalogue import Backends  # noqa: PLC0415 - likewise

    kernels = kernels_of(wish.store)
    with Backends(lambda _: layers, layout, kernels, destinations=wish.destinations) as backends:
        return run_on(backends, plan, host, wish.repeat, listeners)


def run_on(
    backend: "Backends | NativeBackend", plan: Plan, host: Host, repeat: int, listeners: tuple[Listener, Listener]
) -> tuple[Outcome, ...]:
    """Run a plan some times, one after the other.

    Raises:
        BackendError: it cannot run here, or a run was lost.
    """
    checked = backend.refusal(plan)
    if checked is not None:
        raise BackendError(f"cannot run on host {host.name!r}: {checked.reason}", hint=checked.hint)
    outcomes = []
    for _ in range(repeat):
        with backend.start(plan, listeners=listeners) as running:
            outcomes.append(running.wait())
    return tuple(outcomes)


def layout_of(reference: Reference, store: Path) -> Layout:
    """Return the layout that a reference is looked up in.

    Raises:
        StoreError: it does not exist.
    """
    if reference.layout is not None:
        return Layout.existing(reference.layout)
    if not (store / "oci" / "oci-layout").is_file():
        raise _nothing(reference, store)
    return Layout.existing(store / "oci")


def open_image(reference: Reference, layout: Layout, architecture: str) -> Image:
    """Return the image that a reference means, for an architecture.

    Raises:
        StoreError: there is none.
        ImageError: it is none that can be run.
    """
    try:
        image = Image.open(layout, find_image(reference, layout, architecture))
    except StoreError:
        if reference.layout is None and reference.digest is None and layout.resolve(reference.name) is None:
            raise _nothing(reference, layout.root.parent, layout) from None
        raise
    if image.is_suite:
        raise ImageError(f"{reference.text} is a suite tree, which no image is", hint="name its image, or run its spec")
    platform = f"{image.system or 'linux'}/{image.architecture or architecture}"
    if platform != f"linux/{architecture}" or architecture not in MACHINES:
        raise wrong_platform(reference.text, [platform], architecture)
    return image


def host_of(name: str) -> Host:
    """Return a host by name; see ``pipeline.declare.hosts``.

    The reference is every factor's own default, which a test holds, and needs no file to be read: the reader of YAML
    and its checks would take longer than the run.

    Raises:
        SpecError, SpecFaults, HostError: there is none, or there are two.
    """
    if name == REFERENCE and not _is_redefined():
        return Host(name=REFERENCE, factors={})
    from pipeline.declare.hosts import Catalogue  # noqa: PLC0415 - loads pydantic and YAML

    return Catalogue.of(_BESIDE).host(name)


def plan_of(image: Image, layers: Sequence[Path], wish: Wish, *, has_own_user: bool = True) -> Plan:
    """Return the run of an image, before any host is applied.

    Args:
        image: what is run.
        layers: its unpacked layers, lowest first.
        wish: as the caller has it.
        has_own_user: whether its own user runs it; if the host has another one, it may be nobody.

    Raises:
        ImageError: it has nothing to run, or asks for what no run has.
    """
    if not (wish.argv or image.entrypoint or image.command):
        raise ImageError(
            f"{wish.image} has neither an entry point nor a command",
            hint=f"name one: `seatrial run {wish.image} -- COMMAND`",
        )
    return image_plan(image, layers, wish.image, wish.argv, has_own_user=has_own_user)


def _architecture_of(host: Host) -> str:
    level = host.level(ArchitectureFactor.name)
    return own_architecture() if level == ArchitectureFactor.default else level


def _is_redefined() -> bool:
    """Tell whether a folder nearer than the package has a host of the reference's name and of other bytes."""
    from pipeline.declare.tree import project_tree  # noqa: PLC0415 - only for the reference

    name = f"{REFERENCE}.yaml"
    built_in = Path(__file__).parent / "declare" / "hosts_data" / name
    folders = (_BESIDE.parent / "hosts", project_tree(_BESIDE) / "specs" / "hosts")
    found = [each / name for each in folders if (each / name).is_file()]
    return any(each.read_bytes() != built_in.read_bytes() for each in found)


def _nothing(reference: Reference, store: Path, layout: Layout | None = None) -> StoreError:
    """Return the error for a name that is neither a spec nor an image."""
    from runtime.oci.descriptor import REF_NAME  # noqa: PLC0415 - errors only

    if reference.digest is not None:
        message = f"{reference.text} is not in the store {store}, which holds no image yet"
        return StoreError(message, hint=f"an image is {FORMS}")
    listed = layout.images() if layout else ()
    names = sorted({each.annotations.get(REF_NAME, "") for each in listed if not each.artifact_type} - {""})
    known = f"the store lists {', '.join(names[:8])}; " if names else ""
    copied = (
        ""
        if "/" not in reference.text and ":" not in reference.text
        else (f"; one of a registry is copied first: `skopeo copy docker://{reference.text} oci:DIR`")
    )
    return StoreError(
        f"there is no spec and no image {reference.text!r}: no envs/{reference.text}.yaml, and no such name in {store}",
        hint=f"{known}an image is {FORMS}{copied}",
    )
