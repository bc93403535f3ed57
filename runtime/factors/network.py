"""``network``, ``ipv6``, ``low-ports``, ``dns`` and ``hostname``: what the program can reach, and what it is called."""

import errno
import re
from types import MappingProxyType

from runtime.data import replace
from runtime.factors.carriers import ENGINES, EVERY, LINUX, OWN
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.outcome import Fidelity
from runtime.plan import Denial, File, Network, NetworkState, Plan

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_MOST_PORTS = 65535
_NAMED_HOSTS = {"long": "a" * 40 + "-very-long-host-name-23", "unresolvable": "unknown_Box-7"}
_ROUTES = "read /proc/net/route"
_IPV6_SWITCH = "read /proc/sys/net/ipv6/conf/lo/disable_ipv6"
_IPV6_ADDRESSES = "read /proc/net/if_inet6"
_AF_INET6 = 10  # bits/socket.h
_IPV6_SOCKET = f"socket {_AF_INET6}"
_NO_IPV6 = Denial(syscall="socket", errno=errno.EAFNOSUPPORT, arguments=MappingProxyType({0: _AF_INET6}))
_RESOLVERS = {
    "none": "nameserver 127.0.0.1\n",
    "search": "search default.svc.cluster.local svc.cluster.local cluster.local\n"
    "nameserver 127.0.0.1\noptions ndots:5\n",
    "unconfigured": "",
}

PORTS = "net.ipv4.ip_unprivileged_port_start"
"""The first port that needs no capability. Source: Linux Documentation/networking/ip-sysctl.rst."""

FIRST_FREE_PORT = "1024"
"""What a fresh network namespace has: net/ipv4/af_inet.c, PROT_SOCK."""

_PORTS_FILE = f"read /proc/sys/{PORTS.replace('.', '/')}"


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
    names = "if_nameindex create_connection create_server urlopen HTTPConnection getsockname socket"
    signs = (
        "socket inet stream; socket inet datagram; socket netlink*; connects inet loopback*; "
        "connects inet elsewhere*; connects inet any*; opens /proc/net*; opens /proc/self/net*; "
        "opens /sys/class/net*; lists /sys/class/net; errno ENETUNREACH; errno EADDRNOTAVAIL; errno ENETDOWN; "
        "binds inet any high; binds inet any 0; binds inet loopback high; binds inet loopback 0"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the interfaces."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, network=replace(plan.network, state=NetworkState(level)))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The interfaces and the routes."""
        return "interfaces", _ROUTES

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say which interfaces are up, and whether there is a default route."""
        up = [each.removesuffix(":up") for each in answers.words("interfaces") if each.endswith(":up")]
        return f"up={','.join(up)} default-route={'yes' if _has_default(answers.text(_ROUTES)) else 'no'}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The interfaces and the route are as asked."""
        match level:
            case "none":
                return found == "up= default-route=no"
            case "loopback":
                return found == "up=lo default-route=no"
            case _:
                return "lo" in found and "," in found and found.endswith("default-route=yes")

    def carriers(self, level: str) -> frozenset[str]:
        """An engine's container without a network has a loopback interface, and so has gVisor's network stack."""
        return EVERY if level == "loopback" else LINUX - ENGINES


class Ipv6Factor(Factor):
    """Whether IPv6 addresses can be had."""

    name = "ipv6"
    default = "loopback"
    control = "loopback"
    levels = {
        "loopback": "::1 where lo is up",
        "absent": "no IPv6 address on any interface (disable_ipv6 is 1)",
        "unsupported": "no address, and no socket either (EAFNOSUPPORT), as with ipv6.disable=1 of the kernel",
    }
    names = "AF_INET6 has_ipv6 has_dualstack_ipv6 IPPROTO_IPV6 IPV6_V6ONLY"
    signs = (
        "socket inet6*; binds inet6*; connects inet6*; opens /proc/net/if_inet6; opens /proc/self/net/if_inet6; "
        "errno EADDRNOTAVAIL; errno EAFNOSUPPORT; raises socket.gaierror"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the switch; without support, deny the sockets too."""
        if level not in self.levels:
            raise self.unknown(level)
        denials = (*plan.denials, _NO_IPV6) if level == "unsupported" else plan.denials
        return replace(plan, network=Network(state=plan.network.state, ipv6=level == "loopback"), denials=denials)

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """Linux's switch, which says the same whether lo is up or not, and the addresses: gVisor has no switch."""
        sockets = (_IPV6_SOCKET,) if _NO_IPV6 in plan.denials else ()
        return _IPV6_SWITCH, _IPV6_ADDRESSES, *sockets

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say whether there is IPv6; a kernel without it has neither file."""
        if _NO_IPV6 in plan.denials and answers.text(_IPV6_SOCKET) == str(errno.EAFNOSUPPORT):
            return "unsupported"
        if answers.succeeded(_IPV6_SWITCH):
            return "loopback" if answers.text(_IPV6_SWITCH).strip() == "0" else "absent"
        return "loopback" if "lo" in answers.words(_IPV6_ADDRESSES) else "absent"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The switch is as asked, and the answer for a socket."""
        return found == level

    def carriers(self, level: str) -> frozenset[str]:
        """GVisor's network stack has no switch, and libseccomp no second word on a call with conditions."""
        return {"loopback": EVERY, "absent": LINUX}.get(level, OWN)

    def fidelity(self, level: str) -> Fidelity:
        """The filter says what a kernel without IPv6 would; /proc/net/if_inet6 is there, and empty."""
        return Fidelity.EMULATED if level == "unsupported" else Fidelity.NATIVE


class LowPortsFactor(Factor):
    """From which port on a program needs no right to listen."""

    name = "low-ports"
    default = FIRST_FREE_PORT
    control = FIRST_FREE_PORT
    levels = {
        "1024": "ports below 1024 are root's (any other first port can be named)",
        "0": "anybody may listen on any port, as in a container of Docker since 20.10",
    }
    names = "ip_unprivileged_port_start"
    signs = (
        "binds inet any low; binds inet loopback low; binds inet6 any low; binds inet6 loopback low; "
        "opens /proc/sys/net/ipv4/ip_unprivileged_port_start; errno EACCES"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the switch of the run's own network."""
        if not level.isascii() or not level.isdigit() or int(level) > _MOST_PORTS or level != str(int(level)):
            raise self.unknown(level)
        if level == self.default:
            return plan
        return replace(plan, tuning=replace(plan.tuning, sysctls={**plan.tuning.sysctls, PORTS: level}))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The switch: to listen on a port for a moment could take it from a service."""
        return (_PORTS_FILE,)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say it; a kernel of 2017 and gVisor have no such switch, and the first port that all had."""
        return answers.text(_PORTS_FILE).strip() if answers.succeeded(_PORTS_FILE) else FIRST_FREE_PORT

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as asked."""
        return found == level

    def carriers(self, level: str) -> frozenset[str]:
        """GVisor has no such switch."""
        return EVERY if level == self.default else LINUX


class DnsFactor(Factor):
    """Who answers questions for names."""

    name = "dns"
    default = "none"
    control = "none"
    levels = {
        "none": "127.0.0.1, and nobody is there",
        "search": "the same, with Kubernetes's three search domains and ndots:5: most names are asked for four times",
        "unconfigured": "/etc/resolv.conf is empty: the resolver's own defaults",
    }
    names = "getaddrinfo gethostbyname gethostbyname_ex gethostbyaddr getfqdn create_connection gaierror socket"
    signs = (
        "opens /etc/resolv.conf; looks /etc/resolv.conf; connects inet loopback 53; connects inet elsewhere 53; "
        "raises socket.gaierror; raises urllib.error.URLError"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Write /etc/resolv.conf."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, files=(*plan.files, File(path="/etc/resolv.conf", content=_RESOLVERS[level].encode())))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The resolver's configuration."""
        return ("read /etc/resolv.conf",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say it in one line."""
        return " ".join(answers.text("read /etc/resolv.conf")[:4096].split())

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is the one that was written."""
        return found == " ".join(_RESOLVERS[level].split())


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
    names = "gethostname getfqdn getnode node nodename uname gethostbyname"
    signs = (
        "opens /etc/hostname; opens /etc/hosts; opens /proc/sys/kernel/hostname; runs /usr/bin/hostname; "
        "runs /bin/hostname; variable HOSTNAME; raises socket.gaierror; raises socket.herror; raises UnicodeError"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the UTS name, and write /etc/hosts, with the names of the services, and /etc/hostname."""
        name = _NAMED_HOSTS.get(level, level)
        if not _NAME.fullmatch(name):
            raise self.unknown(level)
        hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        if level != "unresolvable":
            hosts += f"127.0.1.1\t{name}\n"
        hosts += "".join(f"127.0.0.1\t{each.name}\n" for each in plan.services)
        files = (
            File(path="/etc/hosts", content=hosts.encode()),
            File(path="/etc/hostname", content=f"{name}\n".encode()),
        )
        return replace(plan, hostname=name, files=(*plan.files, *files))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The UTS name, and the hosts file."""
        return "name", "read /etc/hosts"

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say the name, and whether the file has it."""
        name = answers.text("name")
        known = any(name in line.split()[1:] for line in answers.text("read /etc/hosts").splitlines())
        return f"{name} {'known' if known else 'unknown'}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """Name and hosts file are as asked."""
        return found == f"{plan.hostname} {'unknown' if level == 'unresolvable' else 'known'}"


def _has_default(routes: str) -> bool:
    """Tell whether the IPv4 table has a route to 0.0.0.0/0. Source: proc_net(5), /proc/net/route."""
    fields = [line.split() for line in routes.splitlines()]
    return any(each[1:2] == ["00000000"] and each[7:8] == ["00000000"] for each in fields)
