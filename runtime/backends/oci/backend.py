"""``OciBackend``: runs plans by the command line of an OCI runtime."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from runtime.backend import Unsupported, refuse_grace, refuse_services
from runtime.backends.native.backend import Layers, NativeBackend
from runtime.backends.native.idmap import lacking_range
from runtime.backends.native.order import ForeignRuntime
from runtime.data import dataclass
from runtime.launcher import launcher_path
from runtime.outcome import Fidelity
from runtime.plan import NetworkState, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class OciRuntime:
    """A runtime, and what is particular about it.

    Args:
        name: of the program, and of the level.
        install: the command that installs it.
        options: global options.
        run_options: options of ``run``.
        answers_itself: factors whose default it fulfills in a way of its own; other levels cannot be had.
        forwards_signals: whether its ``run`` hands signals on to the program.
        limited_whole: whether the control groups hold the runtime too.
        own_network: whether it brings its own network stack, which is the loopback interface and nothing else.
    """

    name: str
    install: str
    options: tuple[str, ...] = ()
    run_options: tuple[str, ...] = ()
    forwards_signals: bool = True
    limited_whole: bool = False
    own_network: bool = False
    answers_itself: frozenset[str] = frozenset()


RUNTIMES: Mapping[str, OciRuntime] = MappingProxyType(
    {
        each.name: each
        for each in (
            OciRuntime(name="crun", install="sudo apt-get install crun", options=("--cgroup-manager", "disabled")),
            OciRuntime(
                name="runc",
                install="sudo apt-get install runc",
                options=("--rootless", "true"),
                run_options=("--no-new-keyring",),
            ),
            OciRuntime(
                name="runsc",
                install="sudo apt-get install runsc",
                options=("--network=none", "--ignore-cgroups", "--net-raw"),
                answers_itself=frozenset({"processes", "seccomp"}),
                forwards_signals=False,
                limited_whole=True,
                own_network=True,
            ),
            OciRuntime(name="youki", install="cargo install youki"),
        )
    }
)


class OciBackend(NativeBackend):
    """Satisfies ``runtime.backend.Backend``.

    Args:
        runtime: one of ``RUNTIMES``.
        layers: where the unpacked layers of an image or a suite are.
    """

    def __init__(self, runtime: OciRuntime, layers: Layers) -> None:
        super().__init__(layers)
        self.name = runtime.name
        self._runtime = runtime

    @property
    def about(self) -> str:
        """What it rests on, in one line."""
        return _version(self._runtime.name)

    @property
    def ambient(self) -> Mapping[str, str]:
        """Facts of this machine, and the runtime's version: another one may behave otherwise."""
        return MappingProxyType({**super().ambient, self.name: _version(self._runtime.name)})

    def available(self) -> Unsupported | None:
        """Tell why nothing can run here, or None."""
        if shutil.which(self._runtime.name) is None:
            hint = f"run `{self._runtime.install}`"
            return Unsupported(reason=f"{self._runtime.name} is not installed", hint=hint)
        if launcher_path() is None:
            return Unsupported(
                reason="the launcher, which starts programs in containers of other runtimes, was not built",
                hint="run `sudo apt-get install gcc libc6-dev`, then install Seatrial again",
            )
        lacking = lacking_range(os.geteuid()) if os.geteuid() else None
        if lacking:  # a runtime sets owners of its own, which one id only cannot have
            return Unsupported(reason=lacking.message, hint=lacking.hint)
        return super().available()

    def check(self, plan: Plan) -> Mapping[str, Fidelity] | Unsupported:
        """Return the fidelity of each factor's level, or why the plan cannot run here."""
        if plan.architecture:
            return Unsupported(reason=f"{self.name} is not told of an emulator for {plan.architecture}")
        without = refuse_services(plan, self.name) or refuse_grace(plan, self.name)
        if without:
            return without
        if self._runtime.own_network and (plan.network.state is not NetworkState.LOOPBACK or not plan.network.ipv6):
            return Unsupported(reason=f"{self.name} has a network stack of its own, with a loopback interface only")
        for name in sorted(self._runtime.answers_itself & plan.levels.keys()):
            reason = f"{self.name} has a kernel of its own: {name}={plan.levels[name]} cannot be had"
            return Unsupported(reason=reason)
        found = super().check(plan)
        if isinstance(found, Unsupported):
            return found
        return MappingProxyType({**found, **dict.fromkeys(self._runtime.answers_itself, Fidelity.EMULATED)})

    def _foreign(self) -> ForeignRuntime | None:
        """Return what the warm process must know of the runtime."""
        program, launcher = shutil.which(self._runtime.name), launcher_path()
        assert program and launcher  # noqa: S101, PT018 - ``start`` has asked ``available``
        return ForeignRuntime(
            name=self.name,
            argv=(program, *self._runtime.options),
            run_options=self._runtime.run_options,
            launcher=str(launcher),
            forwards_signals=self._runtime.forwards_signals,
            limited_whole=self._runtime.limited_whole,
            answers_itself=self._runtime.answers_itself,
        )


@cache
def _version(program: str) -> str:
    """Return the first line of what a runtime says of its version."""
    path = shutil.which(program) or program
    asked = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603
    return asked.stdout.partition("\n")[0].strip()
