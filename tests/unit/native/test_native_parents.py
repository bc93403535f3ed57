"""Of which control groups runs are made children, told from folders that look like those of a machine."""

import os
from pathlib import Path

import pytest

from runtime.backends.native.hierarchies import Version, find_parents
from runtime.backends.native.parents import usable_parents

ALL = "cpu memory pids"
SCOPE = "user.slice/user-0.slice/session-2.scope"


@pytest.fixture
def second_version(tmp_path):
    """Lay groups of v2 (path → what they have, what their children have, processes, type); return whose are parents.

    The last is the one of this process. They are told as controller → path.
    """

    def lay(groups):
        for path, (has, gives, processes, kind) in groups.items():
            folder = tmp_path / path
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cgroup.controllers").write_text(has)
            (folder / "cgroup.subtree_control").write_text(gives)
            (folder / "cgroup.procs").write_text(processes)
            if kind:
                (folder / "cgroup.type").write_text(f"{kind}\n")
        mounted = f"42 24 0:26 / {tmp_path} rw - cgroup2 cgroup2 rw,nsdelegate\n"
        usable = usable_parents(find_parents(f"0::/{path}\n", mounted))
        assert {each.version for each in usable.values()} <= {Version.V2}
        return {name: str(Path(each.path).relative_to(tmp_path)) for name, each in usable.items()}

    return lay


def test_group_of_a_session_has_processes_and_the_slice_above_it_takes_the_runs(second_version, tmp_path):
    parents = second_version(
        {
            "": (ALL, "memory pids", "1\n", ""),
            "user.slice": (ALL, ALL, "", "domain"),
            "user.slice/user-0.slice": (ALL, ALL, "", "domain"),
            SCOPE: (ALL, "", f"{os.getpid()}\n", "domain"),
        },
    )
    slice_ = "user.slice/user-0.slice"
    assert parents == dict.fromkeys(("memory", "pids", "cpu"), slice_)
    assert (tmp_path / SCOPE / "cgroup.subtree_control").read_text() == ""


def test_controller_that_children_lack_is_given_to_them(second_version, tmp_path):
    parents = second_version({"a": ("pids", "", "", "domain"), "a/b": ("", "", "7\n", "domain")})
    assert parents == {"pids": "a"}
    assert (tmp_path / "a/cgroup.subtree_control").read_text() == "+pids"


def test_folder_with_most_of_the_controllers_is_taken_though_others_are_nearer(second_version):
    parents = second_version(
        {
            "": (ALL, "memory pids", "1\n", ""),
            "system.slice": ("memory pids", "memory pids", "", "domain"),
            "system.slice/ci.service": ("memory pids", "", f"{os.getpid()}\n", "domain"),
        },
    )
    assert parents == dict.fromkeys(("memory", "pids", "cpu"), ".")


@pytest.mark.parametrize("kind", ["domain threaded", "threaded", "domain invalid"])
def test_groups_that_take_no_processes_are_passed_over(kind, second_version):
    parents = second_version(
        {"a": (ALL, ALL, "", "domain"), "a/b": (ALL, ALL, "", kind), "a/b/c": (ALL, "", "7\n", "domain")}
    )
    assert set(parents.values()) == {"a"}


def test_group_without_controllers_is_not_touched(second_version, tmp_path):
    parents = second_version({"": ("", "", "7\n", "domain")})
    assert parents == {}
    assert not (tmp_path / "seatrial-own").exists()


@pytest.fixture
def kernel(monkeypatch):
    """Let processes that are written into a group of a test's leave the one above it, as a kernel does."""

    def write(path, text):
        Path(path).write_text(text)
        if path.endswith("/seatrial-own/cgroup.procs"):
            above = Path(path).parents[1] / "cgroup.procs"
            above.write_text("".join(f"{each}\n" for each in above.read_text().split() if each != text))

    monkeypatch.setattr("runtime.backends.native.parents.write_text", write)


@pytest.mark.usefixtures("kernel")
def test_group_of_a_container_is_vacated_and_taken(second_version, tmp_path):
    parents = second_version({"": (ALL, "", "1\n7\n", "domain")})
    assert parents == dict.fromkeys(("memory", "pids", "cpu"), ".")
    assert (tmp_path / "cgroup.procs").read_text() == ""
    assert (tmp_path / "seatrial-own/cgroup.procs").read_text() == "7"


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("is_delegated", [True, False])
def test_group_that_systemd_delegated_is_taken_before_the_slice_above_it(is_delegated, second_version, tmp_path):
    scope = tmp_path / "app.slice/x.scope"
    scope.mkdir(parents=True)
    try:
        os.setxattr(scope, "user.delegate", b"1" if is_delegated else b"0")
    except OSError:
        pytest.skip("this file system takes no attributes of users")
    parents = second_version({"app.slice": (ALL, ALL, "", "domain"), "app.slice/x.scope": (ALL, "", "7\n", "domain")})
    assert set(parents.values()) == {"app.slice/x.scope" if is_delegated else "app.slice"}


def test_group_that_cannot_be_vacated_limits_nothing(second_version, tmp_path):
    # In a folder nobody takes processes away, as a kernel does that refuses to move one.
    (tmp_path / "seatrial-own").mkdir()
    (tmp_path / "seatrial-own/cgroup.procs").touch()
    parents = second_version({"": (ALL, "", "7\n", "domain")})
    assert parents == {}
    assert (tmp_path / "cgroup.subtree_control").read_text() == ""
