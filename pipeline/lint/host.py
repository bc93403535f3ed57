"""Rules about what an image knows of the machine and the network that it was built in."""

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from pipeline.lint.contents import Contents
from pipeline.lint.rule import Found, Severity, file_rule, files, rule

_SOURCES = r"^etc/apt/sources\.list$|^etc/apt/sources\.list\.d/[^/]+\.(list|sources)$"
_ARCHIVES = ("debian", "debian-security", "debian-archive", "ubuntu", "ubuntu-ports")
_ABOVE = ("", "pub", "mirror", "mirrors", "ftp", "repository", "artifactory", "proxy")  # a third party's are elsewhere
_PUBLIC = ("debian.org", "ubuntu.com", "kali.org", "raspbian.org", "raspberrypi.com", "debian.net")
_PRIVATE = (".local", ".internal", ".lan", ".corp", ".intranet", ".home", ".localdomain")
_SYSTEM_NAMES = re.compile(r"localhost|localhost[46]?\.localdomain[46]?|localhost[46]|ip6-[a-z]+|broadcasthost")


@rule(
    "host-name",
    Severity.WARNING,
    why="The name of the build machine makes each machine's image another one, and tells strangers of it.",
    fix="Delete /etc/hostname; the runtime gives each container its own.",
    reads="^etc/hostname$",
)
def host_name(contents: Contents) -> Iterator[Found]:
    """Find the name of the machine that built it."""
    for node in files(contents, re.compile("^etc/hostname$")):
        if node.text.strip() not in ("", "localhost"):
            yield Found.at(node, f"holds the host name {node.text.strip()[:60]!r}")


resolvers = file_rule(
    "resolv-conf",
    Severity.WARNING,
    "^etc/resolv\\.conf$",
    "names the resolvers of the build machine",
    why="The addresses are those of another network; where no runtime replaces the file, no name is found.",
    fix="Empty /etc/resolv.conf in the image; the runtime mounts its own.",
    content=r"^\s*(nameserver|search|domain)\s+\S",
)


@rule(
    "hosts-entries",
    Severity.WARNING,
    why="Names that resolve at build time by accident resolve to the wrong machine elsewhere.",
    fix="Keep only the loopback lines in /etc/hosts.",
    reads="^etc/hosts$",
)
def hosts_entries(contents: Contents) -> Iterator[Found]:
    """Find names of machines."""
    for node in files(contents, re.compile("^etc/hosts$")):
        for line in node.text.splitlines():
            names = line.partition("#")[0].split()[1:]
            foreign = [each for each in names if not _SYSTEM_NAMES.fullmatch(each)]
            if foreign:
                yield Found.at(node, f"names {foreign[0][:60]!r}")


@rule(
    "mirror-address",
    Severity.WARNING,
    why="A mirror that only the builder reaches makes updates fail elsewhere, and two mirrors give two digests.",
    fix="Write the archive's public address into the sources.",
    reads=_SOURCES,
)
def mirror_address(contents: Contents) -> Iterator[Found]:
    """Find addresses of mirrors that are not the archive's own."""
    for node in files(contents, re.compile(_SOURCES)):
        for address in _addresses(node.text):
            parts = urlsplit(address)
            if _is_private(parts.hostname or "") or _is_mirror(parts.hostname or "", parts.path):
                yield Found.at(node, f"names the mirror {(parts.hostname or address)[:60]!r}")


apt_credentials = file_rule(
    "apt-credentials",
    Severity.ERROR,
    rf"{_SOURCES}|^etc/apt/auth\.conf(\.d/[^/]+)?$",
    "holds the password of a package archive",
    why="Whoever can pull the image can read the password.",
    fix="Give the password to the build as a secret mount, never as a file of a layer.",
    content=r"^[^#\n]*(://[^/\s:@]+:[^/\s@]+@|\bpassword\s+\S)",
)

apt_proxy = file_rule(
    "apt-proxy",
    Severity.WARNING,
    r"^etc/apt/apt\.conf(\.d/[^/]+)?$",
    "sends apt through a proxy of the build network",
    why="Where the proxy is out of reach no package can be installed.",
    fix="Set the proxy in the environment of the build only.",
    content=r'^\s*(?!//|#)[^\n]*(Acquire::\w+::Proxy(::\S+)?\s+"\w+://|\bProxy\s+"\w+://)',
)

proxy_file = file_rule(
    "proxy-file",
    Severity.WARNING,
    r"^etc/(environment|profile|bash\.bashrc|wgetrc|profile\.d/[^/]+)$|(^|/)\.(wgetrc|curlrc|bashrc|profile)$",
    "sets a proxy of the build network",
    why="Programs that read it try to reach a machine of another network.",
    fix="Delete the line; give proxies to a container when it starts.",
    content=r"^\s*(export\s+)?(https?_proxy|ftp_proxy|all_proxy|proxy)\s*=\s*\"?\w+[:.]",
)

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


@rule(
    "proxy-environment",
    Severity.WARNING,
    why="Every process of every container gets the proxy of the build network.",
    fix="Pass proxies as build arguments, which do not stay, and not as ENV.",
)
def proxy_environment(contents: Contents) -> Iterator[Found]:
    """Find proxies in the configuration."""
    for name, value in sorted(contents.image.environment.items()):
        if name.lower() in _PROXIES and value:
            yield Found(what=f"its environment sets {name}")


@rule(
    "host-environment",
    Severity.WARNING,
    why="These variables tell of the shell that built the image; programs that trust them go wrong.",
    fix="Unset the variable in the configuration.",
)
def host_environment(contents: Contents) -> Iterator[Found]:
    """Find variables that belong to a session."""
    names = {"HOSTNAME", "PWD", "OLDPWD", "SSH_AUTH_SOCK", "SSH_CONNECTION", "DISPLAY", "LOGNAME", "SUDO_USER"}
    for name in sorted(names & contents.image.environment.keys()):
        yield Found(what=f"its environment sets {name}")


machine_id = file_rule(
    "machine-id",
    Severity.ERROR,
    "^etc/machine-id$",
    "holds an id",
    why="All containers share one id that is meant to be unique; journals, leases and telemetry mix them up.",
    fix="Truncate /etc/machine-id; it is filled in when a machine first starts.",
    content=r"^[0-9a-f]{32}$",
)

dbus_machine_id = file_rule(
    "dbus-machine-id",
    Severity.ERROR,
    "^var/lib/dbus/machine-id$",
    "holds an id",
    why="All containers share one id that D-Bus takes for unique.",
    fix="Delete it, or let it be a link to /etc/machine-id.",
)

random_seed = file_rule(
    "random-seed",
    Severity.ERROR,
    r"^var/lib/(systemd/random-seed|urandom/random-seed|systemd/credential\.secret)$|^var/lib/random-seed$",
    "is the seed of random numbers",
    why="Every machine that is started from the image begins with the same, public, randomness.",
    fix="Delete it as the last step of the build.",
)


def _addresses(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from re.findall(r"(?:https?|ftp|file|copy|cdrom|mirror)(?:\+\w+)?:[^\s\]]+", line.partition("#")[0])


def _is_private(host: str) -> bool:
    """Tell whether a name or an address means something in one network only."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE)
    return True


def _is_mirror(host: str, path: str) -> bool:
    """Tell whether it carries a distribution's own archive under another name."""
    is_public = any(host == each or host.endswith(f".{each}") for each in _PUBLIC)
    above, _, name = path.strip("/").rpartition("/")
    return not is_public and name in _ARCHIVES and above in _ABOVE


RULES = (
    host_name,
    resolvers,
    hosts_entries,
    mirror_address,
    apt_credentials,
    apt_proxy,
    proxy_file,
    proxy_environment,
    host_environment,
    machine_id,
    dbus_machine_id,
    random_seed,
)
