"""The run's own network: loopback up, one interface that leads nowhere, IPv6 on or off.

Source: netdevice(7); rtnetlink(7) and linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h for the messages.
"""

import fcntl
import os
import socket
import struct

_SIOCSIFFLAGS = 0x8914  # linux/sockios.h
_IFF_UP = 0x1  # linux/if.h
_IFF_RUNNING = 0x40

_NLMSG_ERROR = 2  # linux/netlink.h
_NLM_F_REQUEST = 0x01
_NLM_F_ACK = 0x04
_NLM_F_EXCL = 0x200
_NLM_F_CREATE = 0x400

_RTM_NEWLINK = 16  # linux/rtnetlink.h
_RTM_NEWADDR = 20
_RTM_NEWROUTE = 24
_IFLA_IFNAME = 3  # linux/if_link.h
_IFLA_LINKINFO = 18
_IFLA_INFO_KIND = 1
_IFLA_INFO_DATA = 2
_VETH_INFO_PEER = 1  # linux/veth.h
_IFA_ADDRESS = 1  # linux/if_addr.h
_IFA_LOCAL = 2
_RTA_OIF = 4
_RTA_GATEWAY = 5
_RT_TABLE_MAIN = 254
_RTPROT_STATIC = 4
_RT_SCOPE_UNIVERSE = 0
_RTN_UNICAST = 1

INTERFACE = "eth0"
# TEST-NET-1, RFC 5737: addresses that are nobody's.
_ADDRESS = "192.0.2.2"
_GATEWAY = "192.0.2.1"
_PREFIX = 24


def bring_up(interface: str) -> None:
    """Set an interface of this network namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as handle:
        request = struct.pack("16sh22x", interface.encode(), _IFF_UP | _IFF_RUNNING)
        fcntl.ioctl(handle, _SIOCSIFFLAGS, request)


def set_ipv6(*, enabled: bool) -> None:
    """Allow or forbid IPv6 addresses on every interface, present and future; does nothing where the kernel has none."""
    value = b"0" if enabled else b"1"
    for interface in ("all", "default", "lo"):
        path = f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            if os.read(descriptor, 1) != value:
                os.pwrite(
                    descriptor, value, 0
                )  # a write that does not begin at 0 is dropped (kernel.sysctl_writes_strict)
        finally:
            os.close(descriptor)


def add_dead_route() -> None:
    """Add an interface with an address and a default route whose gateway does not exist."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        try:
            _ask(netlink, _RTM_NEWLINK, _link("dummy"))
        except OSError:
            # Kernels without the module dummy: a pair of which the other end is never brought up.
            _ask(netlink, _RTM_NEWLINK, _link("veth"))
        index = socket.if_nametoindex(INTERFACE)
        address = socket.inet_aton(_ADDRESS)
        head = struct.pack("BBBBI", socket.AF_INET, _PREFIX, 0, _RT_SCOPE_UNIVERSE, index)
        _ask(netlink, _RTM_NEWADDR, head + _attribute(_IFA_LOCAL, address) + _attribute(_IFA_ADDRESS, address))
        bring_up(INTERFACE)
        head = struct.pack(
            "8BI", socket.AF_INET, 0, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE, _RTN_UNICAST, 0
        )
        gateway = _attribute(_RTA_GATEWAY, socket.inet_aton(_GATEWAY))
        _ask(netlink, _RTM_NEWROUTE, head + gateway + _attribute(_RTA_OIF, struct.pack("I", index)))


def _link(kind: str) -> bytes:
    head = struct.pack("BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)
    information = _attribute(_IFLA_INFO_KIND, kind.encode())
    if kind == "veth":
        peer = head + _attribute(_IFLA_IFNAME, b"eth0-peer\0")
        information += _attribute(_IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, peer))
    name = _attribute(_IFLA_IFNAME, INTERFACE.encode() + b"\0")
    return head + name + _attribute(_IFLA_LINKINFO, information)


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("HH", length, kind) + value + b"\0" * (-length % 4)


def _ask(netlink: socket.socket, kind: int, body: bytes) -> None:
    flags = _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_EXCL | _NLM_F_CREATE
    netlink.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
    answer = netlink.recv(4096)
    answered, code = struct.unpack_from("4xH10xi", answer)
    if answered == _NLMSG_ERROR and code:
        raise OSError(-code, f"{os.strerror(-code)}: rtnetlink message {kind}")
