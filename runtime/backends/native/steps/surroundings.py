"""What a run finds around it: network and names."""

from runtime.backends.native import network
from runtime.backends.native.steps.step import Sandbox
from runtime.backends.native.syscalls import call
from runtime.data import dataclass
from runtime.plan import NetworkState


@dataclass(frozen=True, slots=True)
class SetNetwork:
    """Bring the run's own network into its state."""

    state: NetworkState
    ipv6: bool

    def describe(self) -> str:
        """Say it."""
        return f"network {self.state.value}, IPv6 {'on' if self.ipv6 else 'off'}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Set the switch of IPv6 first, as it decides what addresses an interface gets when it comes up."""
        network.set_ipv6(enabled=self.ipv6)
        match self.state:
            case NetworkState.NONE:
                return
            case NetworkState.LOOPBACK:
                network.bring_up("lo")
            case NetworkState.ROUTE:
                network.bring_up("lo")
                network.add_dead_route()


@dataclass(frozen=True, slots=True)
class SetHostname:
    """Name the machine that the run sees."""

    name: str

    def describe(self) -> str:
        """Say it."""
        return f"name the host {self.name}"

    def execute(self, sandbox: Sandbox) -> None:  # noqa: ARG002
        """Set the name of the UTS namespace."""
        call("sethostname", self.name.encode(), len(self.name.encode()))
