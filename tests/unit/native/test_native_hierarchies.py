"""Where control groups can be made, read from what the kernel shows of them."""

from runtime.backends.native.hierarchies import Group, Version, find_parents

V1_MOUNTS = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"
)
V2_MOUNT = "42 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def paths(groups):
    return [each.path for each in groups]


def test_v1_gives_each_controller_its_own_folders_nearest_first():
    found = find_parents("4:memory:/a/b\n3:cpu,cpuacct:/\n2:pids:/\n", V1_MOUNTS)
    assert paths(found["memory"]) == [f"/sys/fs/cgroup/memory{each}" for each in ("/a/b", "/a", "")]
    assert found["cpu"] == (Group(Version.V1, "/sys/fs/cgroup/cpu,cpuacct"),)


def test_v2_gives_all_controllers_the_same_folders():
    found = find_parents("0::/user.slice/x.scope\n", V2_MOUNT)
    assert paths(found["memory"]) == [f"/sys/fs/cgroup{each}" for each in ("/user.slice/x.scope", "/user.slice", "")]
    assert found["memory"] == found["pids"] == found["cpu"]
    assert {each.version for each in found["cpu"]} == {Version.V2}


def test_hybrid_takes_a_controller_where_it_is_mounted():
    unified = V2_MOUNT.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    found = find_parents("2:pids:/\n1:cpu,cpuacct:/\n0::/\n", V1_MOUNTS + unified)
    assert found["pids"][0].version is Version.V1
    assert found["memory"] == (Group(Version.V2, "/sys/fs/cgroup/unified"),)


def test_mount_that_shows_another_part_is_no_place():
    inside = "42 24 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    assert paths(find_parents("0::/docker/abc/x\n", inside)["memory"]) == ["/sys/fs/cgroup/x", "/sys/fs/cgroup"]
    assert find_parents("0::/elsewhere\n", inside)["memory"] == ()


def test_nothing_mounted_gives_nothing():
    assert not any(find_parents("0::/\n", "").values())
