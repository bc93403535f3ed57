"""What the kernel's accounts say of a run, read from folders that are laid as the kernel lays them."""

import pytest

from runtime.backends.native.hierarchies import Group, Version
from runtime.backends.native.strain import (
    Mark,
    is_about,
    parse_pressure,
    parse_victim,
    read_pressure,
    read_throttling,
    read_victims,
    strain_since,
)

PRESSURE = "some avg10=0.00 avg60=0.12 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
RECORD = (
    "6,1,4506178664,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
    "oom_memcg=/a/{0},task_memcg=/a/{0},task={1},pid=28475,uid=1879049192\n"
)


def group(path, version):
    return Group(version, str(path))


def lay_pressure(folder, total, suffix=""):
    folder.mkdir(exist_ok=True, parents=True)
    for name in ("cpu", "io", "memory"):
        (folder / f"{name}{suffix}").write_text(PRESSURE.format(total))


def test_pressure_is_the_total_of_some():
    assert parse_pressure(PRESSURE.format(35270)) == 35270


def test_pressure_of_a_v2_group_is_its_own(tmp_path):
    lay_pressure(tmp_path / "run", 5, ".pressure")
    lay_pressure(tmp_path / "proc/pressure", 9)
    found = read_pressure({"memory": group(tmp_path / "run", Version.V2)}, str(tmp_path / "proc"))
    assert dict(found) == {"cpu": 5, "io": 5, "memory": 5}


def test_pressure_of_a_v1_group_is_the_machines(tmp_path):
    lay_pressure(tmp_path / "proc/pressure", 9)
    found = read_pressure({"memory": group(tmp_path, Version.V1)}, str(tmp_path / "proc"))
    assert dict(found) == {"cpu": 9, "io": 9, "memory": 9}


def test_pressure_is_empty_where_the_kernel_keeps_none(tmp_path):
    assert dict(read_pressure({}, str(tmp_path))) == {}


def test_strain_is_what_came_since_the_mark(tmp_path):
    groups = {"memory": group(tmp_path, Version.V2)}
    lay_pressure(tmp_path, 2_500, ".pressure")
    before = Mark(pressure=read_pressure(groups))
    lay_pressure(tmp_path, 12_600, ".pressure")
    found = strain_since(before, groups, -1, has_oom_kills=False)
    assert (found.pressure, found.has_own_pressure) == ({"cpu": 10, "io": 10, "memory": 10}, True)
    assert (found.written, found.throttled_periods, found.victims) == (-1, -1, ())


@pytest.mark.parametrize(
    ("version", "text", "wanted"),
    [
        (Version.V1, "nr_periods 9\nnr_throttled 4\nthrottled_time 87000000\n", (4, 87)),
        (Version.V2, "usage_usec 9\nnr_periods 9\nnr_throttled 4\nthrottled_usec 87000\n", (4, 87)),
        (Version.V2, "usage_usec 9\nuser_usec 9\nsystem_usec 0\n", (-1, -1)),
    ],
)
def test_throttling_is_read_of_both_interfaces(version, text, wanted, tmp_path):
    (tmp_path / "cpu.stat").write_text(text)
    assert read_throttling(group(tmp_path, version)) == wanted


def test_throttling_of_no_group_is_not_known():
    assert read_throttling(None) == (-1, -1)


def test_victim_is_named_whatever_its_name():
    assert parse_victim(RECORD.format("seatrial-1-2-3", "a,pid=1,b c")) == "a,pid=1,b c"


def test_record_of_another_group_is_not_ours():
    assert is_about(RECORD.format("seatrial-1-2-3", "bash"), "seatrial-1-2-3")
    assert not is_about(RECORD.format("seatrial-1-2-33", "bash"), "seatrial-1-2-3")


def test_log_that_cannot_be_read_names_nobody(tmp_path):
    assert read_victims(group(tmp_path / "seatrial-1-2-3", Version.V1), str(tmp_path / "absent")) == ()
