"""What an engine is asked for, computed from the plan alone."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from runtime.backends.engines.archive import files_archive, tag_of
from runtime.backends.engines.container import OWNED, Folders, configuration, laid_files, mounted_files
from runtime.digest import Digest
from runtime.plan import OUT

GOLDEN = Path(__file__).parents[2] / "golden" / "backends"
FOLDERS = Folders(out="/x/out", launch="/x/launch", sources={"/etc/hosts": "/x/file-0"}, profile="{}")


@pytest.mark.parametrize(
    ("name", "levels", "read_only"),
    [
        ("reference", {}, False),
        ("hardened", {"user": "arbitrary", "capabilities": "none", "root_filesystem": "read-only"}, True),
        ("limited", {"memory": "128M", "processes": "16", "cpu_quota": "50%", "open_files": "64"}, False),
    ],
)
def test_request_of_plan_is_as_written_down(name, levels, read_only, plan_on, machine):
    asked = configuration(plan_on(**levels), machine, FOLDERS, image="x", read_only=read_only)
    assert json.dumps(asked, indent=1) + "\n" == (GOLDEN / f"container-{name}.json").read_text()


def test_files_that_an_engine_owns_are_mounted_and_all_others_laid(plan_on, machine):
    plan = plan_on(cpus="1")
    mounted = mounted_files(plan, machine)
    assert set(OWNED) <= mounted.keys()
    assert "/proc/cpuinfo" in mounted
    with tarfile.open(fileobj=io.BytesIO(files_archive(laid_files(plan)))) as archive:
        laid = {f"/{each.name}": each for each in archive}
    assert not laid.keys() & mounted.keys()
    assert laid["/etc/localtime"].issym()
    assert (laid["/tmp"].mode, laid["/home/app"].uid) == (0o1777, 1000)
    assert not any(path.startswith((OUT, "/dev")) for path in laid)


def test_tag_is_of_image_and_suite():
    one, other = Digest.of(b"1"), Digest.of(b"2")
    assert len({tag_of(one, None), tag_of(one, other), tag_of(other, one), tag_of(other, None)}) == 4
