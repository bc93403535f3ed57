"""What is unpacked here, and dpkg's database as it is written here, beside what dpkg makes of the same packages."""

import hashlib
import os
import stat
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from mutant import disabled

from pipeline.build.bootstrap import Ground, bootstrap
from pipeline.build.ecosystems.debian.archive import DebianRequest
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.ecosystems.debian.lock import lock_debian
from pipeline.build.ecosystems.debian.plain import plain_copies
from pipeline.build.fetch import Fetcher
from pipeline.build.left_out import LEFT_OUT, PACKAGES
from pipeline.build.sources import read_sources
from pipeline.build.strata import ESSENTIAL, strata
from pipeline.build.unpacked import trees_of
from pipeline.build.usual_packages import is_told
from runtime.backends.native.mapped import run_mapped
from runtime.oci.platform import own_architecture

BY_DPKG = ("pipeline.build.usual_packages", 'package.control["package"] == name', "False")
"""The change with which dpkg unpacks every package itself."""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("suite", ["bullseye", "bookworm", "trixie"])
def test_essential_tree_is_the_same_when_dpkg_unpacks_all_of_it(store, suite):
    request = DebianRequest(suite=suite, packages=(), architecture=own_architecture())
    with Fetcher(store / "cache", read_sources(os.environ, Path.home())) as fetcher:
        found = lock_debian(request, fetcher, now=datetime.now(UTC))
        paths = fetcher.fetch_all([each.artifact for each in found])
    files = {each.name: path for each, path in zip(found, paths, strict=True)}
    packages = {name: read_deb(path) for name, path in files.items()}
    (stratum, *_) = strata(packages)
    assert stratum.name == ESSENTIAL
    epoch = max(packages[name].newest for name in stratum.packages)
    ours = _tree(store, stratum, files, epoch)
    with disabled(*BY_DPKG):
        assert not any(is_told(each, own_architecture()) for each in packages.values())
        other = _tree(store, stratum, files, epoch)
    assert _differences(ours, other) == {}


OVER = {
    "bookworm": ("python3-pip", "perl", "git", "libglib2.0-0", "shared-mime-info", "fontconfig", "vim-tiny"),
    "trixie": ("python3-yaml", "nodejs", "openssh-client", "man-db", "libgdk-pixbuf-2.0-0", "bsd-mailx"),
}
FILES_ALONE = ("pipeline.build.usual_packages", "not has_first_script(package)", "False")
"""The change with which dpkg unpacks every package over others itself."""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("suite", OVER)
def test_trees_over_others_are_the_same_when_dpkg_unpacks_all_of_them(packages, store, suite):
    files = packages(suite, *OVER[suite])
    ours, unpacked = _trees(store, files)
    with disabled(*FILES_ALONE):
        others, by_dpkg = _trees(store, files)
    assert (len(unpacked) > len(files) // 3, by_dpkg) == (True, set())
    for one, other in zip(ours, others, strict=True):
        assert _differences(one, other) == {}


def _differences(one, other):
    differing = {path for path in one | other if one.get(path) != other.get(path)}
    return {path: (one.get(path), other.get(path)) for path in differing - {WAITING}}


WAITING = "var/lib/dpkg/triggers/Unincorp"
"""Which triggers dpkg has still to look at, by name; empty where it is, whoever wrote it."""


def _trees(store, files):
    """Return of each stratum path → what is seen there, and the names of the packages that dpkg did not unpack."""
    packages = {name: read_deb(path) for name, path in files.items()}
    found, below, unpacked = [{}], (), set()
    with ExitStack() as stack:
        plain = plain_copies(files, stack.enter_context(trees_of(store).new_folder()))
        for each in strata(packages):
            epoch = max(packages[name].newest for name in (*each.packages, "dpkg"))
            folder, work = (stack.enter_context(trees_of(store).new_folder()) for _ in range(2))
            ground = Ground(below=below, work=work) if below else None
            bootstrap(folder, each, plain if below else files, epoch=epoch, ground=ground)
            found.append(found[-1] | run_mapped(partial(_read, epoch=epoch), directories=(folder,)))
            log = (folder / "var/log/dpkg.log").read_text().splitlines()
            installed = {line.split()[3].partition(":")[0] for line in log if " install " in line}
            unpacked |= {*each.packages} - installed if below else set()
            below = (*below, folder)
    return found, unpacked


def _tree(store, stratum, files, epoch):
    """Return path → what the stratum has there, with times as layers hold them."""
    with trees_of(store).new_folder() as folder:
        bootstrap(folder, stratum, files, epoch=epoch)
        return run_mapped(lambda root: _read(root, epoch), directories=(folder,))


def _read(root, epoch):
    os.fchdir(root)
    found = {}
    for folder, folders, names in os.walk("."):
        for name in (*folders, *names):
            path = Path(folder, name)
            if os.fsencode(path) not in LEFT_OUT and path.parts[0] != PACKAGES:
                found[str(path)] = _node(path, epoch)
    return found


def _node(path, epoch):
    status = path.lstat()
    about = (oct(status.st_mode), status.st_uid, status.st_gid, status.st_nlink)
    if stat.S_ISDIR(status.st_mode):
        return about[:3]
    time = min(int(status.st_mtime), epoch)
    assert str(path) != WAITING or not status.st_size
    if stat.S_ISLNK(status.st_mode):
        return (*about, time, str(path.readlink()))
    return (*about, time, hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else "")
