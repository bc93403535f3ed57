"""The record of an effective sandbox: what is in it, and what of a machine is not."""

from runtime.backends.native.effective import capabilities, mapped, mounts, to_record
from runtime.digest import Digest

HERE = (
    "530 501 0:48 / / rw,relatime shared:77 - overlay overlay rw,lowerdir=/home/a/.local/x,upperdir=/y,workdir=/z\n"
    "531 530 0:52 / /tmp rw,nosuid,nodev - tmpfs tmpfs rw,size=1024k,inode64,uid=1879048192,gid=1879048192\n"
    "532 530 0:5 /null /dev/null rw,nosuid - devtmpfs dev rw,size=12328592k,nr_inodes=3082148,mode=755\n"
)
THERE = (
    "91 88 0:61 / / rw,relatime shared:9 - overlay none rw,lowerdir=/var/b,upperdir=/c,workdir=/d,userxattr\n"
    "92 91 0:62 / /tmp rw,nosuid,nodev - tmpfs none rw,size=1024k,uid=100000,gid=100000\n"
    "93 91 0:6 /null /dev/null rw,nosuid - devtmpfs udev rw,size=4k,nr_inodes=7,mode=755\n"
)


def test_mounts_of_two_machines_are_equal_where_the_run_is():
    assert mounts(HERE) == mounts(THERE)
    assert mounts(HERE)[1] == {
        "path": "/tmp",
        "type": "tmpfs",
        "root": "/",
        "options": ["nodev", "nosuid", "rw"],
        "of-type": ["rw", "size=1024k"],
        "propagation": [],
    }
    assert mounts(HERE)[0]["propagation"] == ["shared"]


def test_mount_of_another_size_is_another_mount():
    assert mounts(HERE) != mounts(HERE.replace("size=1024k", "size=2048k"))
    assert mounts(HERE) != mounts(HERE.replace("rw,nosuid,nodev", "ro,nosuid,nodev"))


def test_capabilities_are_named():
    assert capabilities("0000000000000401\n") == ["chown", "net_bind_service"]
    assert capabilities("0000000000000000") == []
    assert capabilities("8000000000000000") == ["63"]


def test_map_of_ids_is_counted():
    assert mapped("         0       1000          1\n         1     100000      65535\n") == 65536


def test_namespaces_that_are_shared_are_not_in_the_record():
    inside = {"namespaces": {"net": "net:[2]", "user": "user:[7]", "time": "time:[1]"}}
    outside = {"net": "net:[1]", "user": "user:[1]", "time": "time:[1]"}
    record = to_record(inside, outside, {"memory": "max"}, {"A": "b"})
    assert record["namespaces"] == ["net", "user"]
    assert (record["groups"], record["environment"]) == ({"memory": "max"}, {"A": "b"})


def test_environment_that_is_no_text_can_be_digested():
    record = to_record({"namespaces": {}}, {}, {}, {"A": "\udcff\\"})
    assert record["environment"] == {"A": "\\xff\\\\"}
    assert Digest.of_json(record) != Digest.of_json(to_record({"namespaces": {}}, {}, {}, {"A": "b"}))
