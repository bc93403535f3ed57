"""``network``, ``ipv6``, ``dns`` and ``hostname``: what the program can reach, and what it is called."""

import os
import re
from dataclasses import replace

from runtime.factors.factor import Factor
from runtime.plan import File, Network, NetworkState, Plan

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_NAMED_HOSTS = {"long": "a" * 40 + "-very-long-host-name-23", "unresolvable": "unknown_Box-7"}
_RESOLVER = "nameserver 127.0.0.1\n"


class NetworkFactor(Factor):
    """Which interfaces are up."""

    name = "network"
    default = "loopback"
    control = "loopback"
    levels = {
        "none": "no interface is up",
        "loopback": "only the loopback interface",
        "route": "one more interface, with a default route that answers nothing",
    }

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the interfaces."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, network=replace(plan.network, state=NetworkState(level)))

    def probe(self, plan: Plan) -> str:  # noqa: ARG002
        """Read which interfaces are up, and whether there is a default route."""
        up = [name for name in sorted(os.listdir("/sys/class/net")) if _flags(name) & 1]  # noqa: PTH208 - IFF_UP
        return f"up={','.join(up)} default-route={'yes' if _has_default_route() else 'no'}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The interfaces and the route are as asked."""
        match level:
            case "none":
                return found == "up= default-route=no"
            case "loopback":
                return found == "up=lo default-route=no"
            case _:
                return "lo" in found and "," in found and found.endswith("default-route=yes")


class Ipv6Factor(Factor):
    """Whether IPv6 addresses can be had."""

    name = "ipv6"
    default = "loopback"
    control = "loopback"
    levels = {"loopback": "::1 where lo is up", "absent": "no IPv6 address on any interface (disable_ipv6 is 1)"}

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the switch."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, network=Network(state=plan.network.state, ipv6=level == "loopback"))

    def probe(self, plan: Plan) -> str:  # noqa: ARG002
        """Read the kernel's switch, which says the same whether lo is up or not."""
        try:
            with open("/proc/sys/net/ipv6/conf/lo/disable_ipv6", encoding="ascii") as file:  # noqa: PTH123
                return "absent" if file.read().strip() == "1" else "loopback"
        except OSError:
            return "absent"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The switch is as asked."""
        return found == level


class DnsFactor(Factor):
    """Who answers questions for names."""

    name = "dns"
    default = "none"
    control = "none"
    levels = {"none": "127.0.0.1, and nobody is there"}

    def apply(self, plan: Plan, level: str) -> Plan:
        """Write /etc/resolv.conf."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, files=(*plan.files, File(path="/etc/resolv.conf", content=_RESOLVER.encode())))

    def probe(self, plan: Plan) -> str:  # noqa: ARG002
        """Read the resolver's configuration."""
        try:
            with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                return " ".join(file.read(4096).split())
        except OSError:
            return ""

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is the one that was written."""
        return found == " ".join(_RESOLVER.split())


class HostnameFactor(Factor):
    """What the machine is called, and whether that name can be resolved."""

    name = "hostname"
    default = "seatrial"
    control = "seatrial"
    levels = {
        "seatrial": "that name, in /etc/hosts as 127.0.1.1 (any name can be given)",
        "long": "a name of 63 characters, in /etc/hosts",
        "unresolvable": "unknown_Box-7, in no hosts file",
    }

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the UTS name, and write /etc/hosts and /etc/hostname."""
        name = _NAMED_HOSTS.get(level, level)
        if not _NAME.fullmatch(name):
            raise self.unknown(level)
        hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        if level != "unresolvable":
            hosts += f"127.0.1.1\t{name}\n"
        files = (
            File(path="/etc/hosts", content=hosts.encode()),
            File(path="/etc/hostname", content=f"{name}\n".encode()),
        )
        return replace(plan, hostname=name, files=(*plan.files, *files))

    def probe(self, plan: Plan) -> str:  # noqa: ARG002
        """Read the UTS name, and whether /etc/hosts has it."""
        name = os.uname().nodename
        try:
            with open("/etc/hosts", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                known = any(name in line.split()[1:] for line in file)
        except OSError:
            known = False
        return f"{name} {'known' if known else 'unknown'}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """Name and hosts file are as asked."""
        return found == f"{plan.hostname} {'unknown' if level == 'unresolvable' else 'known'}"


def _flags(interface: str) -> int:
    try:
        with open(f"/sys/class/net/{interface}/flags", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read(), 16)
    except OSError:
        return 0


def _has_default_route() -> bool:
    """Tell whether the IPv4 table has a route to 0.0.0.0/0. Source: proc_net(5), /proc/net/route."""
    try:
        with open("/proc/net/route", encoding="ascii") as file:  # noqa: PTH123
            return any(line.split()[1:2] == ["00000000"] and line.split()[7:8] == ["00000000"] for line in file)
    except OSError:
        return False
