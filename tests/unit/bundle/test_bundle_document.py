"""Every feature that is refused has a document that asks for it, and one check that refuses it."""

import copy
import json
from pathlib import Path

import pytest

from runtime.backends.native.bundle.calls import compile_bundle_filter
from runtime.backends.native.bundle.document import read_bundle
from runtime.backends.native.bundle.recipe import steps_of_first_process, steps_of_tree
from runtime.backends.native.bundle.refusals import REASONS, BundleRefusedError, Refused, to_markdown
from runtime.oci.document import parse_document
from runtime.oci.refusal import RefusedError

ROOT = Path(__file__).parents[3]
GOOD = {
    "ociVersion": "1.0.2",
    "process": {
        "user": {"uid": 7, "gid": 8, "additionalGids": [9, 8], "umask": 18},
        "args": ["true"],
        "env": ["PATH=/bin", "EMPTY="],
        "cwd": "/",
        "capabilities": {"bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"]},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}],
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "h",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
        {"destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]},
    ],
    "linux": {
        "namespaces": [{"type": kind} for kind in ("mount", "pid", "network", "ipc", "uts")],
        "sysctl": {"net.ipv4.ping_group_range": "0 0"},
        "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "resources": {"devices": [{"allow": False}], "pids": {"limit": 10}, "memory": {"limit": 1048576}},
        "cgroupsPath": "/a/b",
    },
    "unknown": {"is": "ignored"},
}
SECCOMP = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}

# (feature, path to a place in the document, what is put there)
ASKS = [
    (Refused.VERSION, ("ociVersion",), "2.0.0"),
    (Refused.PLATFORM, ("windows",), {"layerFolders": []} | {"a": 1}),
    (Refused.PLATFORM, ("vm",), {"kernel": {}}),
    (Refused.HOOKS, ("hooks",), {"prestart": [{"path": "/bin/true"}]}),
    (Refused.HOOKS, ("hooks",), {"poststop": [{"path": "/bin/true"}]}),
    (Refused.NAMESPACE_MISSING, ("linux", "namespaces"), [{"type": "mount"}]),
    (Refused.NAMESPACE_MISSING, ("linux", "namespaces"), [{"type": "pid"}]),
    (
        Refused.NAMESPACE_MISSING,
        ("linux", "namespaces"),
        [{"type": "pid"}, {"type": "mount", "path": "/proc/1/ns/mnt"}],
    ),
    (Refused.NAMESPACE_MISSING, ("linux", "namespaces"), [{"type": "pid"}, {"type": "mount"}]),
    (Refused.NAMESPACE_KIND, ("linux", "namespaces", 2), {"type": "time"}),
    (Refused.NAMESPACE_KIND, ("linux", "namespaces", 2), {"type": "user"}),
    (Refused.NAMESPACE_TWICE, ("linux", "namespaces", 2), {"type": "pid"}),
    (Refused.USER_NAMESPACE_JOINED, ("linux", "namespaces", 2), {"type": "user", "path": "/proc/1/ns/user"}),
    (Refused.PROPAGATION, ("linux", "rootfsPropagation"), "shared"),
    (Refused.PROPAGATION, ("mounts", 2, "options"), ["rbind", "rslave"]),
    (Refused.MOUNT_TYPE, ("mounts", 2), {"destination": "/m", "type": "ext4", "source": "/dev/vda"}),
    (Refused.MOUNT_TYPE, ("mounts", 2), {"destination": "/m", "source": "/srv"}),
    (Refused.MOUNT_OPTION, ("mounts", 2, "options"), ["bind", "idmap"]),
    (Refused.MOUNT_OPTION, ("mounts", 1, "options"), ["size=1,huge=always"]),
    (Refused.MOUNT_OPTION, ("mounts", 3, "options"), ["rw"]),
    (Refused.MOUNT_PLACE, ("mounts", 2, "destination"), "/proc/sys"),
    (Refused.MOUNT_PLACE, ("mounts", 2, "destination"), "//./sys/kernel"),
    (Refused.MOUNT_PLACE, ("mounts", 2, "destination"), "/"),
    (Refused.MOUNT_PLACE, ("mounts", 0, "destination"), "/elsewhere"),
    (Refused.DEV_MISSING, ("mounts", 1, "destination"), "/elsewhere"),
    (Refused.DEVICE, ("linux", "devices"), [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]),
    (Refused.DEVICE, ("linux", "devices"), [{"path": "/dev/null", "type": "b", "major": 1, "minor": 3}]),
    (Refused.DEVICE, ("linux", "devices"), [{"path": "/dev/null", "type": "c", "major": 8, "minor": 0}]),
    (Refused.CAPABILITY, ("process", "capabilities", "bounding"), ["CAP_EVERYTHING"]),
    (Refused.CAPABILITY_INHERITED, ("process", "capabilities", "ambient"), ["CAP_CHOWN"]),
    (Refused.CAPABILITY_INHERITED, ("process", "capabilities", "inheritable"), ["CAP_CHOWN"]),
    (Refused.CAPABILITY_OF_THE_MACHINE, ("process", "capabilities", "bounding"), ["CAP_SYS_ADMIN"]),
    (Refused.CAPABILITY_OF_THE_MACHINE, ("process", "capabilities", "permitted"), ["CAP_SYS_PTRACE"]),
    (Refused.LABEL, ("process", "selinuxLabel"), "system_u"),
    (Refused.LABEL, ("process", "apparmorProfile"), "docker-default"),
    (Refused.LABEL, ("linux", "mountLabel"), "system_u"),
    (Refused.SCHEDULING, ("process", "scheduler"), {"policy": "SCHED_FIFO"}),
    (Refused.SCHEDULING, ("process", "ioPriority"), {"class": "IOPRIO_CLASS_RT"}),
    (Refused.RLIMIT, ("process", "rlimits"), [{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}]),
    (Refused.RLIMIT, ("process", "rlimits"), [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2),
    (Refused.SYSCTL, ("linux", "sysctl"), {"kernel.core_pattern": "|/bin/sh"}),
    (Refused.SYSCTL, ("linux", "sysctl"), {"net.../../kernel/core_pattern": "x"}),
    (Refused.SYSCTL, ("linux", "namespaces", 2), {"type": "network", "path": "/proc/1/ns/net"}),
    (Refused.RESOURCE, ("linux", "resources", "blockIO"), {"weight": 10}),
    (Refused.RESOURCE, ("linux", "resources", "cpu"), {"realtimeRuntime": 10}),
    (Refused.CGROUP_PATH, ("linux", "cgroupsPath"), "/../../docker"),
    (Refused.CGROUP_PATH, ("linux", "cgroupsPath"), "system.slice:libpod:x"),
    (Refused.PERSONALITY, ("linux", "personality"), {"domain": "LINUX32"}),
    (Refused.INTEL_RDT, ("linux", "intelRdt"), {"closID": "x"}),
    (Refused.PATH, ("process", "cwd"), "tmp"),
    (Refused.PATH, ("mounts", 2, "destination"), "/a/../../b"),
    (Refused.PATH, ("linux", "maskedPaths"), ["proc/kcore"]),
    (Refused.PATH, ("hostname",), "a\0b"),
    (Refused.PROCESS, ("process",), None),
    (Refused.PROCESS, ("process", "args"), []),
    (Refused.PROCESS, ("process", "env"), ["NO_SIGN"]),
    (Refused.PROCESS, ("process", "user", "uid"), -1),
]
CALLS = [
    (Refused.SECCOMP_ACTION, ("defaultAction",), "SCMP_ACT_TRACE"),
    (Refused.SECCOMP_ACTION, ("syscalls", 0, "action"), "SCMP_ACT_NOTIFY"),
    (Refused.SECCOMP_LISTENER, ("listenerPath",), "/run/agent"),
    (Refused.SECCOMP_RULE, ("flags",), ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]),
    (Refused.SECCOMP_RULE, ("syscalls", 0, "args"), [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]),
    (Refused.SECCOMP_RULE, ("syscalls", 0, "args"), [{"index": 0, "value": 1, "op": "SCMP_CMP_ALMOST"}]),
    (Refused.SECCOMP_RULE, ("syscalls", 0, "args"), [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]),
]
ELSEWHERE = {Refused.ROOT_PATH, Refused.TERMINAL, Refused.PRESERVED_DESCRIPTORS}  # tests/integration/oci_runtime


def put(document, path, value):
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def parsed(document):
    return parse_document(json.dumps(document).encode(), "config.json")


@pytest.mark.parametrize(("feature", "path", "value"), ASKS, ids=str)
def test_bundle_that_asks_for_it_is_refused_for_its_reason(feature, path, value):
    with pytest.raises(BundleRefusedError) as caught:
        read_bundle(parsed(put(GOOD, path, value)))
    assert caught.value.feature is feature
    assert feature.value in caught.value.message


@pytest.mark.parametrize(("feature", "path", "value"), CALLS, ids=str)
def test_filter_that_asks_for_it_is_refused_for_its_reason(feature, path, value):
    with pytest.raises(BundleRefusedError) as caught:
        compile_bundle_filter(parsed(put(SECCOMP, path, value)), "x86_64")
    assert caught.value.feature is feature


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("process", "args"), "true"),
        (("process", "user"), ["root"]),
        (("mounts",), {}),
        (("linux", "namespaces"), ["pid"]),
        (("linux", "resources"), 5),
        (("root", "path"), 7),
        (("annotations",), {"a": 1}),
    ],
    ids=str,
)
def test_value_of_another_type_is_refused(path, value):
    with pytest.raises(RefusedError):
        read_bundle(parsed(put(GOOD, path, value)))


def test_every_refused_feature_has_a_reason_and_a_document():
    assert set(REASONS) == set(Refused)
    assert {feature for feature, _, _ in (*ASKS, *CALLS)} | ELSEWHERE == set(Refused)


def test_page_about_bundles_is_what_the_code_gives():
    assert (ROOT / "docs/reference/oci-bundle.md").read_text() == to_markdown()


def test_bundle_is_read_as_it_says():
    bundle = read_bundle(parsed(GOOD))
    process = bundle.process
    assert (process.user.uid, process.user.gid, process.user.groups, process.umask) == (7, 8, (8, 9), 18)
    assert dict(process.environment) == {"PATH": "/bin", "EMPTY": ""}
    assert bundle.group == "a/b"
    assert bundle.read_only
    assert bundle.owns("network")
    assert not bundle.owns("cgroup")


def test_capability_of_the_machine_is_had_in_a_user_namespace():
    extents = [{"containerID": 0, "hostID": 1000, "size": 65536}]
    document = put(GOOD, ("process", "capabilities", "bounding"), ["CAP_SYS_ADMIN"])
    document["linux"] |= {"uidMappings": extents, "gidMappings": extents}
    document["linux"]["namespaces"].append({"type": "user"})
    bundle = read_bundle(parsed(document))
    assert bundle.process.bounding == ("sys_admin",)
    assert [str(each) for each in bundle.users] == ["0 1000 65536"]


def test_steps_of_a_bundle_are_told_in_order():
    bundle = read_bundle(parsed(GOOD))
    told = [each.describe() for each in (*steps_of_tree(bundle), *steps_of_first_process(bundle, b""))]
    assert told == [
        "make all mounts private",
        "mount a private tmpfs of 4294967296 bytes for what the run writes",
        "use the given folder as the root, written in place",
        "remount /, nodev",
        "mount proc at /proc",
        "mount tmpfs at /dev",
        "show null, zero, full, random, urandom, tty in /dev, and link fd, stdin, stdout, stderr, ptmx",
        "show /srv at /data, read-only, nodev",
        "show the container's own control groups at /sys/fs/cgroup, read-only",
        "make / for 0:0 if it is missing",
        "bring up lo",
        "set net.ipv4.ping_group_range to 0 0",
        "mask /proc/kcore if it is there",
        "make /proc/sys read-only if it is there",
        "remount /, read-only",
        "name the host h",
        "make the tree the root and detach this machine's",
        "go to /",
        "limit RLIMIT_NOFILE to 1, at most 2",
        "set the umask to 0022",
        "bound the capabilities to chown",
        "become 7:8, further groups 8,9, holding nothing",
        "outlive the command that makes the container",
    ]
