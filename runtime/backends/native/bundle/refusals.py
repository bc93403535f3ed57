"""What a bundle may ask for and does not get, each with its reason; docs/reference/oci-bundle.md is printed from here.

``python -m runtime.backends.native.bundle.refusals`` prints the page.
"""

import sys
from collections.abc import Iterator
from enum import StrEnum
from types import MappingProxyType

from runtime.errors import BackendError


class Refused(StrEnum):
    """A feature of the OCI runtime specification that is refused."""

    VERSION = "version"
    PLATFORM = "platform"
    HOOKS = "hooks"
    NAMESPACE_MISSING = "namespace-missing"
    NAMESPACE_KIND = "namespace-kind"
    NAMESPACE_TWICE = "namespace-twice"
    USER_NAMESPACE_JOINED = "user-namespace-joined"
    ROOT_PATH = "root-path"
    PROPAGATION = "propagation"
    MOUNT_TYPE = "mount-type"
    MOUNT_OPTION = "mount-option"
    MOUNT_PLACE = "mount-place"
    DEV_MISSING = "dev-missing"
    DEVICE = "device"
    CAPABILITY = "capability"
    CAPABILITY_INHERITED = "capability-inherited"
    CAPABILITY_OF_THE_MACHINE = "capability-of-the-machine"
    LABEL = "label"
    SCHEDULING = "scheduling"
    RLIMIT = "rlimit"
    SYSCTL = "sysctl"
    RESOURCE = "resource"
    CGROUP_PATH = "cgroup-path"
    PERSONALITY = "personality"
    INTEL_RDT = "intel-rdt"
    SECCOMP_ACTION = "seccomp-action"
    SECCOMP_LISTENER = "seccomp-listener"
    SECCOMP_RULE = "seccomp-rule"
    TERMINAL = "terminal"
    PATH = "path"
    PRESERVED_DESCRIPTORS = "preserved-descriptors"
    PROCESS = "process"


REASONS = MappingProxyType(
    {
        Refused.VERSION: "`ociVersion` other than 1.x: its rules are not known",
        Refused.PLATFORM: "`windows`, `solaris`, `vm`, `zos`: the native runtime is Linux's",
        Refused.HOOKS: "`hooks`: programs of the machine, run with the caller's rights while a container is made",
        Refused.NAMESPACE_MISSING: "no `mount` or `pid` namespace of its own: it could not be ended for sure",
        Refused.NAMESPACE_KIND: "`time` namespaces and kinds that are not known",
        Refused.NAMESPACE_TWICE: "one kind of namespace asked for twice",
        Refused.USER_NAMESPACE_JOINED: "`user` with a `path`: give `uidMappings` instead",
        Refused.ROOT_PATH: "`root.path` that is missing or no folder",
        Refused.PROPAGATION: "`shared`, `slave`, `unbindable` mounts: a mount inside would reach the machine, or one of"
        " the machine the container",
        Refused.MOUNT_TYPE: "other types than proc, sysfs, tmpfs, devpts, mqueue, bind, cgroup: a file system is a"
        " parser in the kernel",
        Refused.MOUNT_OPTION: "options that are not known, `idmap`, a writable `cgroup`, `tmpcopyup` over files",
        Refused.MOUNT_PLACE: "a mount over `/`, or below `/proc` or `/sys` (but `/sys/fs/cgroup`): kernel files could"
        " be faked (CVE-2019-19921, CVE-2023-28642)",
        Refused.DEV_MISSING: "no tmpfs at `/dev`: the devices would be made in the image's own tree",
        Refused.DEVICE: "`linux.devices` beside null, zero, full, random, urandom, tty: a device is the machine's",
        Refused.CAPABILITY: "names that are not known",
        Refused.CAPABILITY_INHERITED: "`inheritable` and `ambient`: programs with file capabilities would gain them"
        " (CVE-2022-24769)",
        Refused.CAPABILITY_OF_THE_MACHINE: "without a user namespace, capabilities that undo the container, such as"
        " CAP_SYS_ADMIN and CAP_SYS_PTRACE (`--privileged`)",
        Refused.LABEL: "`apparmorProfile`, `selinuxLabel`, `mountLabel`: not set here, so that they would not hold",
        Refused.SCHEDULING: "`scheduler`, `ioPriority`, `execCPUAffinity`: not set here, so that they would not hold",
        Refused.RLIMIT: "rlimits that are not known, given twice, or above the machine's own",
        Refused.SYSCTL: "sysctls that are the machine's, or of a namespace that the container does not own",
        Refused.RESOURCE: "limits other than `memory.limit`, `pids.limit`, `cpu.shares`, `cpu.quota`, `cpu.period`; a"
        " limit whose controller is not to be had",
        Refused.CGROUP_PATH: "a `cgroupsPath` with `..`, of a group that has processes, or for systemd (`a:b:c`): use"
        " `podman --cgroup-manager cgroupfs`",
        Refused.PERSONALITY: "`personality`: it switches off what makes programs harder to attack",
        Refused.INTEL_RDT: "`intelRdt`: not set here, so that it would not hold",
        Refused.SECCOMP_ACTION: "`SCMP_ACT_TRACE`, `SCMP_ACT_NOTIFY` and actions that are not known",
        Refused.SECCOMP_LISTENER: "`listenerPath`: another process would answer the container's calls",
        Refused.SECCOMP_RULE: "rules with an argument or operator that is not known; flags that are not known",
        Refused.TERMINAL: "`terminal` without `--console-socket`, or the reverse: no terminal is handed on",
        Refused.PATH: "paths with a NUL, or that are not absolute",
        Refused.PRESERVED_DESCRIPTORS: "`--preserve-fds`: descriptors of the machine (CVE-2024-21626)",
        Refused.PROCESS: "no `process`, or one without `args`",
    }
)

NARROWER = (
    (
        "linux.seccomp.architectures",
        "calls through i386 or x32 end the process",
    ),
    (
        "linux.resources.devices",
        "no device node can be opened but the six in `/dev`: every mount but theirs is `nodev`",
    ),
    ("devices in /dev", "their mode and owner cannot be changed: they are the machine's own nodes, mounted read-only"),
    ("mounts, tmpfs", "one without `size` gets 1 GiB"),
    ("mounts, cgroup", "the container sees its own groups of memory, pids and cpu, read-only"),
    ("mounts, bind", "`ro`, `nosuid`, `noexec` hold for mounts below it too; all are `nodev` and private"),
    ("process.oomScoreAdj", "one below the caller's own is not set where the caller may not"),
)


class BundleRefusedError(BackendError):
    """A bundle asks for something that is refused.

    Args:
        feature: which row of the table.
        detail: what was asked for, where.
    """

    def __init__(self, feature: Refused, detail: str) -> None:
        super().__init__(
            f"the bundle is refused ({feature.value}): {detail}", hint="docs/reference/oci-bundle.md says why"
        )
        self.feature = feature


def to_markdown() -> str:
    """Return the page of the reference."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# What an OCI bundle may ask for"
    yield ""
    yield "<!-- generated: python -m runtime.backends.native.bundle.refusals -->"
    yield ""
    yield "`seatrial-oci` (also `seatrial oci-runtime`) has the commands `create start state kill delete run exec`."
    yield "Engines start it: `podman --cgroup-manager cgroupfs --runtime /path/to/seatrial-oci run …`."
    yield "A bundle that asks for something in this table is refused before anything is made. Properties that the"
    yield "specification does not know are ignored, as it demands."
    yield ""
    yield "| refused | what, and why |"
    yield "|---|---|"
    for each, reason in REASONS.items():
        yield f"| `{each.value}` | {reason} |"
    yield ""
    yield "## Followed more strictly than asked"
    yield ""
    yield "| property | what is done |"
    yield "|---|---|"
    for name, text in NARROWER:
        yield f"| `{name}` | {text} |"


if __name__ == "__main__":
    sys.stdout.write(to_markdown())
