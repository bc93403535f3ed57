"""What a command line begins with, before anything of it is understood."""

import pytest

from pipeline.cli import early


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [
        (["run", "oci:DIR"], "oci:DIR"),
        (["run", "oci:DIR", "--", "/bin/true"], "oci:DIR"),
        (["run", "--host", "reference", "oci:DIR", "--", "x"], "oci:DIR"),
        (["run", "--host=reference", "--set", "umask=0077", "sha256:12", "--repeat", "3"], "sha256:12"),
        (["run", "--store", "DIR", "-q", "--json", "web"], "web"),
        (["run", "oci:DIR", "--help"], ""),
        (["run", "-h"], ""),
        (["run", "--", "oci:DIR"], ""),
        (["run", "--host"], ""),
        (["run"], ""),
        (["verify", "oci:DIR"], ""),
        (["--json", "run", "oci:DIR"], ""),  # forked later, as for every other command line
        ([], ""),
    ],
)
def test_subject_of_a_run_is_found_before_the_command_line_is_read(argv, wanted):
    assert early._subject(argv) == wanted


def test_spec_is_no_image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "web.yaml").touch()
    assert not early.is_image("web")
    assert not early.is_image("other/web.yml")
    assert not early.is_image("web=oci:web.d")
    assert not early.is_image("other/web.yml=oci:web.d")
    assert early.is_image("db")
    assert early.is_image("oci:web.d")


def test_nothing_is_forked_for_what_is_no_run_of_an_image(monkeypatch):
    monkeypatch.setattr("runtime.backends.native.launch.fork", lambda: pytest.fail("forked"))
    for argv in (["run", "envs/web.yaml"], ["verify"], ["run", "oci:DIR", "--help"], ["hosts"]):
        assert early.launch_early(argv) is None
