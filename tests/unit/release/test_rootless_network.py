"""What Podman without root lacks is told with the command that helps."""

import pytest

from pipeline.release.targets.rootless_network import lacking_network


@pytest.fixture
def programs(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put(folder, name):
    (folder / name).write_text("")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(("version", "there"), [("4.3.1", "slirp4netns"), ("5.4.0", "slirp4netns"), ("5.4.0", "pasta")])
def test_podman_with_its_program_and_the_device_lacks_nothing(programs, version, there):
    put(programs, there)
    put(programs, "tun")
    assert lacking_network(version, programs / "tun", ()) is None


@pytest.mark.parametrize(
    ("version", "there", "hint"),
    [
        ("4.3.1", "pasta", "run `sudo apt-get install slirp4netns`"),
        ("4.3.1", "", "run `sudo apt-get install slirp4netns`"),
        ("5.4.0", "", "run `sudo apt-get install passt`"),
    ],
)
def test_podman_without_a_program_that_it_takes_names_the_package(programs, version, there, hint):
    put(programs, "tun")
    if there:
        put(programs, there)
    assert lacking_network(version, programs / "tun", ()).hint == hint


def test_device_that_the_user_may_not_open_is_named(programs):
    put(programs, "slirp4netns")
    assert "which this user may not open" in lacking_network("4.3.1", programs / "tun", ()).message
