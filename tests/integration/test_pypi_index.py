"""Against the configured index: what is locked there can be fetched, installed and unpacked."""

import os
from pathlib import Path

import pytest

from pipeline.build.ecosystems.pypi.index import locate, lock_sdist
from pipeline.build.ecosystems.pypi.resolve import Wanted, lock_pypi, lock_tools
from pipeline.build.ecosystems.pypi.sdist import unpack_sdist
from pipeline.build.ecosystems.pypi.target import Target
from pipeline.build.ecosystems.pypi.wheel import install_wheels
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import read_sources
from pipeline.declare.errors import ResolveError

pytestmark = pytest.mark.network
BOOKWORM = Target(python="3.11.2", machine="x86_64", glibc=36)


@pytest.fixture
def fetcher(tmp_path):
    with Fetcher(tmp_path / "cache", read_sources(os.environ, Path.home()), locate={"pypi": locate}) as fetcher:
        yield fetcher


def test_lock_pypi_pins_wheels_of_the_image_and_they_install(fetcher, tmp_path):
    wanted = Wanted(packages=("croniter==6.0.0", "markupsafe==3.0.2"))
    found = lock_pypi(wanted, BOOKWORM, fetcher=fetcher, work=tmp_path / "uv", preferred={"pytz": "2025.2"})
    names = {each.name: each.artifact.name for each in found}
    assert names["croniter"] == "croniter-6.0.0-py2.py3-none-any.whl"
    assert "-cp311-" in names["markupsafe"]
    assert "x86_64" in names["markupsafe"]
    assert names["pytz"].startswith("pytz-2025.2-")
    (tmp_path / "root").mkdir()
    wheels = fetcher.fetch_all(each.artifact for each in found)
    install_wheels(wheels, tmp_path / "root", site="lib/python", scripts="bin")
    assert (tmp_path / "root/lib/python/croniter/__init__.py").is_file()


def test_lock_tools_leaves_out_what_the_image_has_and_names_both_versions_of_a_clash(fetcher, tmp_path):
    image = lock_pypi(Wanted(packages=("packaging==24.0",)), BOOKWORM, fetcher=fetcher, work=tmp_path / "uv")
    tools = lock_tools(
        Wanted(packages=("pytest==8.4.2",)), BOOKWORM, image=image, fetcher=fetcher, work=tmp_path / "uv"
    )
    assert {each.name for each in tools} == {"iniconfig", "pluggy", "pygments", "pytest"}
    with pytest.raises(ResolveError, match=r"take packaging \S+, and the image has 24\.0"):
        lock_tools(Wanted(packages=("packaging>24",)), BOOKWORM, image=image, fetcher=fetcher, work=tmp_path / "uv")


def test_lock_pypi_of_impossible_requirement_says_why(fetcher, tmp_path):
    wanted = Wanted(packages=("pytz>1", "pytz<1"))
    with pytest.raises(ResolveError, match="unsatisfiable"):
        lock_pypi(wanted, BOOKWORM, fetcher=fetcher, work=tmp_path / "uv")


def test_lock_sdist_pins_archive_and_it_unpacks(fetcher, tmp_path):
    locked = lock_sdist("croniter==6.0.0", fetcher)
    assert locked.artifact.source == "pypi:croniter-6.0.0.tar.gz"
    (tmp_path / "root").mkdir()
    laid = unpack_sdist(fetcher.fetch(locked.artifact), tmp_path / "root", to="app", only=("src",))
    assert "src/croniter/croniter.py" in laid
    with pytest.raises(ResolveError, match="no source distribution"):
        lock_sdist("croniter==0.0.99", fetcher)
