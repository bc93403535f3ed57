"""What a machine offers the native runtime, told from a /proc that is laid as such machines have it."""

import pytest

from runtime.backends.native.grounds import (
    Layout,
    lacking_namespaces,
    lacking_overlay,
    lacking_seccomp,
    layout,
    read_grounds,
)

V1 = "30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
NAMED = "29 24 0:25 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,name=systemd\n"
V2 = "31 24 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
ALL = ("memory", "processes", "cpu-quota")
MACHINE = {
    "/proc/sys/user/max_user_namespaces": "96365\n",
    "/proc/filesystems": "nodev\tproc\nnodev\toverlay\n\text4\n",
    "/proc/sys/kernel/osrelease": "6.12.9-amd64\n",
    "/proc/sys/kernel/seccomp/actions_avail": "kill_process kill_thread trap errno user_notif trace log allow\n",
    "/proc/self/mountinfo": V2,
    "/proc/1/comm": "systemd\n",
}
CLONE = "/proc/sys/kernel/unprivileged_userns_clone"
APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
CURRENT = "/proc/self/attr/current"


@pytest.fixture
def machine(tmp_path):
    """Lay the files of a machine, those given changed (None: not there), and return what reads them."""

    def lay(changed=()):
        for path, text in {**MACHINE, **dict(changed)}.items():
            file = tmp_path / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is not None:
                file.write_text(text)

        def read(path):
            file = tmp_path / path.lstrip("/")
            return file.read_text() if file.exists() else None

        return read

    return lay


@pytest.mark.parametrize("uid", [0, 1000])
def test_machine_that_has_everything_lacks_nothing(uid, machine):
    assert [each.name for each in read_grounds(machine(), uid, ALL) if each.missing] == []


@pytest.mark.parametrize(
    ("changed", "hint", "holds_root"),
    [
        ({"/proc/sys/user/max_user_namespaces": "0\n"}, "sysctl -w user.max_user_namespaces=65536", True),
        ({"/proc/sys/user/max_user_namespaces": None}, "boot one", True),
        ({CLONE: "0\n"}, "sysctl -w kernel.unprivileged_userns_clone=1", False),
        ({APPARMOR: "1\n"}, "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", False),
        ({APPARMOR: "1\n", CURRENT: "unconfined\n"}, "apparmor_restrict_unprivileged_userns=0", False),
    ],
)
def test_restricted_user_namespaces_name_the_command(changed, hint, holds_root, machine):
    read = machine(changed)
    assert hint in lacking_namespaces(read, 1000).hint
    assert (lacking_namespaces(read, 0) is not None) is holds_root


@pytest.mark.parametrize(
    "changed", [{CLONE: "1\n"}, {APPARMOR: "0\n"}, {APPARMOR: "1\n", CURRENT: "seatrial (enforce)\n"}]
)
def test_switch_that_allows_user_namespaces_restricts_nobody(changed, machine):
    assert lacking_namespaces(machine(changed), 1000) is None


@pytest.mark.parametrize(
    ("release", "uid", "is_lacking"),
    [("5.10.0-33-amd64", 1000, True), ("5.10.0-33-amd64", 0, False), ("5.11.0", 1000, False), ("4.19.1", 1000, True)],
)
def test_overlayfs_of_plain_users_begins_with_5_11(release, uid, is_lacking, machine):
    found = lacking_overlay(machine({"/proc/sys/kernel/osrelease": release}), uid)
    assert (found is not None) is is_lacking


def test_overlayfs_that_debian_permits_in_user_namespaces_is_enough(machine):
    changed = {"/proc/sys/kernel/osrelease": "5.10.0", "/sys/module/overlay/parameters/permit_mounts_in_userns": "Y\n"}
    assert lacking_overlay(machine(changed), 1000) is None


def test_overlayfs_that_the_kernel_loads_when_it_is_first_mounted_is_enough(machine):
    alias = "/lib/modules/6.12.9-amd64/modules.alias"
    changed = {"/proc/filesystems": "nodev\tproc\n", alias: "alias fs-nfs nfs\nalias fs-overlay overlay\n"}
    assert lacking_overlay(machine(changed), 1000) is None
    assert lacking_overlay(machine({**changed, alias: "alias fs-nfs nfs\n"}), 1000) is not None


def test_overlayfs_that_is_not_loaded_names_the_module(machine):
    assert "modprobe overlay" in lacking_overlay(machine({"/proc/filesystems": "nodev\tproc\n"}), 0).hint


@pytest.mark.parametrize(("actions", "word"), [(None, "CONFIG_SECCOMP_FILTER"), ("kill errno allow", "user_notif")])
def test_seccomp_that_lacks_an_action_is_told(actions, word, machine):
    assert word in lacking_seccomp(machine({"/proc/sys/kernel/seccomp/actions_avail": actions})).reason


@pytest.mark.parametrize(
    ("mountinfo", "found"),
    [("", "none"), (V1, "v1"), (V1 + NAMED, "v1"), (V2, "v2"), (NAMED + V2, "v2"), (V1 + V2, "hybrid")],
)
def test_layout_of_control_groups_is_told(mountinfo, found):
    assert layout(mountinfo) is Layout(found)


@pytest.mark.parametrize(
    ("mountinfo", "first", "uid", "hint"),
    [
        (V2, "systemd\n", 1000, "systemd-run --user --scope -p Delegate=yes"),
        (V2, "init\n", 1000, "sudo seatrial"),
        (V1, "systemd\n", 1000, "sudo seatrial"),
        (V2, "systemd\n", 0, "--privileged"),
        (V1, "systemd\n", 0, "--cgroupns=private"),
        ("", "systemd\n", 0, "mount -t cgroup2"),
    ],
)
def test_limit_that_cannot_be_enforced_names_what_allows_it(mountinfo, first, uid, hint, machine):
    read = machine({"/proc/self/mountinfo": mountinfo, "/proc/1/comm": first})
    found = {each.name: each for each in read_grounds(read, uid, ["processes"])}
    assert hint in found["memory"].missing.hint
    assert "watched" in found["memory"].missing.reason
    assert "no quota" in found["cpu-quota"].missing.reason
    assert found["processes"].missing is None


@pytest.mark.parametrize(
    ("cgroup", "hint"),
    [
        ("0::/system.slice/actions.runner.a-b.box.service\n", "`sudo systemctl edit actions.runner.a-b.box.service`"),
        ("0::/system.slice/system-ci.slice/ci@2.service\n", "`sudo systemctl edit ci@2.service`"),
        ("0::/ci.slice/build\\x2dbox.service\n", "`sudo systemctl edit build\\x2dbox.service`"),
        ("0::/user.slice/user-1000.slice/session-1.scope\n", "systemd-run --user --scope"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/t.service\n", "systemd-run --user --scope"),
    ],
)
def test_service_of_the_system_is_given_its_control_groups_where_it_is_declared(cgroup, hint, machine):
    read = machine({"/proc/self/cgroup": cgroup})
    assert hint in read_grounds(read, 1000, [])[-1].missing.hint
