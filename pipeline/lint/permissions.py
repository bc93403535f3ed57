"""Rules about who may do what: rights that no package asked for."""

import posixpath
import re
from collections.abc import Iterator

from pipeline.lint.contents import Contents
from pipeline.lint.rule import Found, Severity, rule
from runtime.oci.tar import Kind

_PROGRAMS = re.compile(r"^(usr/(local/)?)?s?bin/[^/]+$")
_CAPABILITY = "security.capability"

_SHIPPED = frozenset(
    (
        "Xorg.wrap",
        "at",
        "bsd-mailx",
        "bsd-write",
        "chage",
        "chfn",
        "chrome-sandbox",
        "chsh",
        "crontab",
        "dbus-daemon-launch-helper",
        "dotlockfile",
        "exim4",
        "expiry",
        "fusermount",
        "fusermount3",
        "gpasswd",
        "lockfile",
        "mount",
        "mount.cifs",
        "mount.nfs",
        "newgidmap",
        "newgrp",
        "newuidmap",
        "ntfs-3g",
        "pam_extrausers_chkpwd",
        "passwd",
        "ping",
        "pkexec",
        "polkit-agent-helper-1",
        "postdrop",
        "postqueue",
        "pppd",
        "procmail",
        "screen",
        "sg",
        "snap-confine",
        "ssh-agent",
        "ssh-keysign",
        "staprun",
        "su",
        "sudo",
        "sudoedit",
        "suexec-custom",
        "suexec-pristine",
        "traceroute6.iputils",
        "umount",
        "unix_chkpwd",
        "utempter",
        "vmware-user-suid-wrapper",
        "wall",
        "write",
        "write.ul",
    )
)
"""Programs that Debian's packages ship with such a bit; setgid folders of theirs are no programs."""

_CAPABLE = frozenset(
    ("arping", "clockdiff", "dumpcap", "fping", "gst-ptp-helper", "mtr-packet", "newgidmap", "newuidmap", "ping")
)
"""Programs that get capabilities from the packages that ship them."""


@rule(
    "setuid-program",
    Severity.ERROR,
    why="It gives its caller the rights of its owner, and no package asked for that.",
    fix="Take the bit away by `chmod u-s,g-s`, or install the program from its package.",
    reads=r"^var/lib/dpkg/info/.*\.list$",
)
def setuid_program(contents: Contents) -> Iterator[Found]:
    """Find set-user-id and set-group-id programs that packages do not ship so."""
    owned: set[str] | None = None
    for path, node in sorted(contents.tree.items()):
        if node.is_file and node.entry.mode & 0o6000 and node.entry.mode & 0o111:
            owned = _owned(contents) if owned is None else owned
            if posixpath.basename(path) not in _SHIPPED or (owned and path.removeprefix("usr/") not in owned):
                bit = "user" if node.entry.mode & 0o4000 else "group"
                yield Found.at(node, f"runs as its {bit} {node.entry.uid if bit == 'user' else node.entry.gid}")


@rule(
    "file-capability",
    Severity.ERROR,
    why="It gives whoever starts it a part of root's rights, and no package asked for that.",
    fix="Take it away by `setcap -r`, or give the container the capability where it runs.",
)
def file_capability(contents: Contents) -> Iterator[Found]:
    """Find programs with capabilities that packages do not ship so."""
    for path, node in sorted(contents.tree.items()):
        if _CAPABILITY in node.entry.xattrs and posixpath.basename(path) not in _CAPABLE:
            yield Found.at(node, "has file capabilities")


@rule(
    "world-writable-file",
    Severity.ERROR,
    why="Any process of the container can change it.",
    fix="Take the right away by `chmod o-w`.",
)
def world_writable_file(contents: Contents) -> Iterator[Found]:
    """Find files that anybody may write."""
    for _, node in sorted(contents.tree.items()):
        if node.is_file and node.entry.mode & 0o002:
            yield Found.at(node, f"has the mode {node.entry.mode:04o}")


@rule(
    "world-writable-folder",
    Severity.WARNING,
    why="Without the sticky bit anybody can replace the files of others in it.",
    fix="Set the sticky bit by `chmod +t`, or take the right away by `chmod o-w`.",
)
def world_writable_folder(contents: Contents) -> Iterator[Found]:
    """Find folders that anybody may write, without the sticky bit."""
    for _, node in sorted(contents.tree.items()):
        if node.entry.kind is Kind.DIRECTORY and node.entry.mode & 0o1002 == 0o002:
            yield Found.at(node, f"has the mode {node.entry.mode:04o}")


@rule(
    "program-owner",
    Severity.WARNING,
    why="Whoever owns a program that all users run decides what they run.",
    fix="Let root own it: `chown 0:0`.",
)
def program_owner(contents: Contents) -> Iterator[Found]:
    """Find programs on the usual search path that a user owns."""
    for path, node in sorted(contents.tree.items()):
        if _PROGRAMS.match(path) and node.is_file and node.entry.uid >= 1000:
            yield Found.at(node, f"belongs to the user {node.entry.uid}")


@rule(
    "secret-readable",
    Severity.ERROR,
    why="Every process of the container can read the hashes of the passwords.",
    fix="Give it the mode 0640 and the group shadow.",
)
def secret_readable(contents: Contents) -> Iterator[Found]:
    """Find databases of passwords that all may read."""
    for path in ("etc/gshadow", "etc/shadow"):
        node = contents.tree.get(path)
        if node is not None and node.is_file and node.entry.mode & 0o004:
            yield Found.at(node, f"has the mode {node.entry.mode:04o}")


def _owned(contents: Contents) -> set[str]:
    """Return what packages ship, ``usr/`` cut off as merged trees have it."""
    lists = (node.text for path, node in contents.tree.items() if path.startswith("var/lib/dpkg/info/"))
    return {line.removeprefix("/").removeprefix("usr/") for text in lists for line in text.splitlines()}


RULES = (
    setuid_program,
    file_capability,
    world_writable_file,
    world_writable_folder,
    program_owner,
    secret_readable,
)
