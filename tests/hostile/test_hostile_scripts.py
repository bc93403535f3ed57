"""Scripts of hostile Debian packages reach nothing of the machine that builds, and leave no trace of it in the tree."""

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "simulators"))

from debian_archive import make_deb
from hostile_scripts import CANARY, FATAL, FATAL_MUTANTS, SCRIPTS, SECRET, SLEEPER, UNTOLD
from mutant import disabled

from pipeline.build.bootstrap import Ground, bootstrap
from pipeline.build.ecosystems.debian.archive import DebianRequest
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.ecosystems.debian.lock import lock_debian
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import read_sources
from pipeline.build.strata import ESSENTIAL, SCRIPTED, strata
from pipeline.build.unpacked import trees_of
from pipeline.declare.errors import BuildError
from runtime.backends.native.mapped import run_mapped
from runtime.oci.platform import own_architecture

pytestmark = pytest.mark.network
EPOCH = 1_750_000_000
DEADLINE = 60_000
FATAL_DEADLINE = 20_000
PACKAGES = ("dpkg", "bash", "coreutils", "findutils", "hostname", "perl-base", "util-linux", "mount", "libc-bin")
MUTANTS = [name for name, each in SCRIPTS.items() if each.mutant]


class Machine:
    """This machine while a hostile build runs: what must not be reached listens, sleeps and lies around."""

    def __init__(self, folder):
        self.canary = folder / "canary"
        self.canary.write_text(CANARY)
        folder.chmod(0o755)
        self.canary.chmod(0o644)
        self.name = socket.gethostname()
        self.socket = f"seatrial-{os.getpid()}-{id(self)}"
        anywhere = ("0.0.0.0", 0)  # noqa: S104 - what an attack may find
        self.listeners = [socket.create_server(anywhere), socket.socket(socket.AF_UNIX)]
        self.listeners[1].bind(f"\0{self.socket}")
        self.listeners[1].listen()
        for each in self.listeners:
            each.setblocking(False)  # noqa: FBT003 - the interface of sockets
        self.port = self.listeners[0].getsockname()[1]
        self.process = subprocess.Popen(["sleep", SLEEPER])
        self.sleeper = self.process.pid
        self.identities = [_text(name) for name in ("/etc/machine-id", "/sys/class/dmi/id/product_uuid")]
        self.hashes = {}

    @property
    def address(self):
        """An address of this machine that is not the loopback's; the loopback's where it has no other."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        return "127.0.0.1"

    def fields(self):
        return {
            "port": self.port, "address": self.address, "socket": self.socket,
            "canary": self.canary, "sleeper": self.sleeper,
        }  # fmt: skip

    def dialed(self):
        for each in self.listeners:
            with contextlib.suppress(BlockingIOError):
                each.accept()
                return True
        return False

    def sleeps(self):
        return self.process.poll() is None

    def has_process(self, word):
        time.sleep(0.2)
        lines = (_text(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
        return any(word in line.split("\0") for line in lines)

    def is_cache_whole(self):
        return all(_digest(path) == digest for path, digest in self.hashes.items())

    def close(self):
        for each in self.listeners:
            each.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def machine():
    """Give the machine; its file lies where whoever gets out of a tree can read it: a run has a /tmp of its own."""
    with tempfile.TemporaryDirectory(prefix="seatrial-machine-", dir="/var/tmp") as folder:
        made = Machine(Path(folder))
        yield made
        made.close()


@pytest.fixture(scope="module")
def packages(store, machine):
    """A small Debian, from its own archive."""
    request = DebianRequest(suite="bookworm", packages=PACKAGES, architecture=own_architecture())
    with Fetcher(store / "cache", read_sources(os.environ, Path.home())) as fetcher:
        found = lock_debian(request, fetcher, now=datetime.now(UTC))
        paths = fetcher.fetch_all([each.artifact for each in found])
    machine.hashes |= {path: _digest(path) for path in paths}
    return {each.name: path for each, path in zip(found, paths, strict=True)}


@pytest.fixture(scope="module")
def essential(store, packages):
    """The lowest stratum, which no hostile script is part of; made once."""
    with trees_of(store).new_folder() as tree:
        bootstrap(tree, _stratum(packages, ESSENTIAL), packages, epoch=EPOCH)
        yield tree


@pytest.fixture(scope="module")
def laid(store, machine, packages, essential, tmp_path_factory):
    """What the scripts wrote, by name, and whether a trace of this machine is in the tree; one build for all."""
    folder = tmp_path_factory.mktemp("packages")
    hostile = {
        f"hostile-{number}": _hostile(folder, machine, f"hostile-{number}", name) for number, name in enumerate(SCRIPTS)
    }
    os.environ[SECRET] = "of the caller"
    try:
        with trees_of(store).new_folder() as tree:
            _install(store, tree, essential, {**packages, **hostile}, 5 * DEADLINE)
            words = [SECRET.encode(), CANARY.encode(), os.fsencode(folder), os.fsencode(machine.canary)]
            return run_mapped(lambda root: _read(root, words), directories=(tree,))
    finally:
        del os.environ[SECRET]


@pytest.mark.bar("5 hostile scripts", slice=1)
@pytest.mark.parametrize("name", SCRIPTS)
def test_script_reaches_nothing_of_this_machine(name, laid, machine):
    written, _ = laid
    assert name in written, "the script did not run to its end"
    assert SCRIPTS[name].proof(written[name], machine), written[name]


@pytest.mark.bar("5 hostile scripts", slice=0)
def test_no_trace_of_this_machine_is_in_the_tree(laid):
    _, traces = laid
    assert traces == []


@pytest.mark.bar("5 hostile scripts", slice=0)
@pytest.mark.parametrize("name", FATAL)
def test_script_that_does_not_end_well_ends_the_build_with_its_reason(  # noqa: PLR0917 - fixtures
    name, store, machine, packages, essential, tmp_path
):
    _, lines, part = FATAL[name]
    began = time.monotonic()
    deb = _write(tmp_path / "hostile.deb", "hostile", lines)
    with trees_of(store).new_folder() as tree, pytest.raises(BuildError) as refused:
        _install(store, tree, essential, {**packages, "hostile": deb}, FATAL_DEADLINE)
    assert part in refused.value.message
    assert len(refused.value.message) < 4_000
    assert time.monotonic() - began < 60
    assert machine.is_cache_whole()


@pytest.mark.bar("5 hostile script mutants", slice=0)
@pytest.mark.parametrize("name", FATAL_MUTANTS)
def test_script_does_not_end_the_build_with_its_reason_without_the_check(
    name, store, packages, essential, tmp_path
):
    _, lines, part = FATAL[name]
    deb = _write(tmp_path / "hostile.deb", "hostile", lines)
    told = ""
    with trees_of(store).new_folder() as tree, disabled(*FATAL_MUTANTS[name]):
        try:
            _install(store, tree, essential, {**packages, "hostile": deb}, FATAL_DEADLINE)
        except BuildError as error:
            told = error.message
    assert part not in told


@pytest.mark.bar("5 hostile script mutants", slice=0)
@pytest.mark.parametrize("name", MUTANTS)
def test_script_is_not_contained_as_before_without_its_check(  # noqa: PLR0917 - fixtures
    name, store, machine, packages, essential, tmp_path
):
    """The build runs in a process of its own, in a copy of the packages that has the mutant's change."""
    home = Path(__file__).parents[2]
    for package in ("pipeline", "runtime"):
        shutil.copytree(home / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, old, new in SCRIPTS[name].mutant:
        source = (tmp_path / path).read_text()
        assert source.count(old) == 1, (path, old)
        (tmp_path / path).write_text(source.replace(old, new))
    (tmp_path / "cache").mkdir()
    own = {each: Path(shutil.copy(path, tmp_path / "cache" / f"{each}.deb")) for each, path in packages.items()}
    machine.hashes = {path: _digest(path) for path in own.values()}
    deb = _hostile(tmp_path, machine, "hostile", name)
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    arguments = [*(f"{each}={path}" for each, path in own.items()), f"hostile={deb}"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), SECRET: "of the caller"}
    done = subprocess.run(
        [sys.executable, program, str(store), str(essential), str(EPOCH), name, *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert not SCRIPTS[name].proof(done.stdout, machine), done


_PROGRAM = """
import sys
from pathlib import Path
from pipeline.build.bootstrap import Ground, bootstrap
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.strata import SCRIPTED, strata
from pipeline.build.unpacked import trees_of
from runtime.backends.native.mapped import run_mapped
store, essential, epoch, name, *named = sys.argv[1:]
packages = {each.partition("=")[0]: Path(each.partition("=")[2]) for each in named}
def read(root):
    import os
    with open(os.open(f"var/lib/hostile/{name}", os.O_RDONLY, dir_fd=root)) as file:
        return file.read()
found = strata({key: read_deb(path) for key, path in packages.items()})
stratum = next(each for each in found if each.name == SCRIPTED)
with trees_of(Path(store)).new_folder() as tree, trees_of(Path(store)).new_folder() as work:
    ground = Ground(below=(Path(essential),), work=work)
    bootstrap(tree, stratum, packages, epoch=int(epoch), ground=ground, deadline=120_000)
    sys.stdout.write(run_mapped(read, directories=(tree,)))
"""


def test_no_two_scripts_are_equal_in_check_and_input():
    listed = [(each.check, each.lines) for each in SCRIPTS.values()] + [each[:2] for each in FATAL.values()]
    assert len(set(listed)) == len(SCRIPTS) + len(FATAL)
    assert len({check for check, _ in listed}) == len(listed)


def test_every_check_has_a_mutant_or_the_reason_why_none_tells_it_apart():
    assert set(MUTANTS) | UNTOLD.keys() == SCRIPTS.keys()
    assert not set(MUTANTS) & UNTOLD.keys()


def _stratum(packages, name):
    """Return one of the strata in which the product installs packages."""
    found = strata({each: read_deb(path) for each, path in packages.items()})
    return next(each for each in found if each.name == name)


def _install(store, tree, essential, packages, deadline):
    """Install what has scripts over the essential packages, as the product does."""
    with trees_of(store).new_folder() as work:
        ground = Ground(below=(essential,), work=work)
        bootstrap(tree, _stratum(packages, SCRIPTED), packages, epoch=EPOCH, ground=ground, deadline=deadline)


def _hostile(folder, machine, package, name):
    lines = SCRIPTS[name].lines
    for field, value in machine.fields().items():
        lines = lines.replace(f"{{{field}}}", str(value))
    return _write(
        folder / f"{package}.deb", package, f"mkdir -p /var/lib/hostile\n({lines}\n) > /var/lib/hostile/{name}\n"
    )


def _write(path, package, lines):
    script = f"#!/bin/sh\n{lines}\nexit 0\n" if "exit" not in lines else f"#!/bin/sh\n{lines}\n"
    control = {
        "Package": package,
        "Version": "1",
        "Architecture": "all",
        "Maintainer": "Nobody <nobody@example.org>",
        "Depends": "mount, hostname, perl-base",
        "Description": "hostile",
    }
    path.write_bytes(make_deb(control, {f"usr/share/{package}": b"x"}, scripts={"postinst": script}))
    return path


def _read(root, words):
    os.fchdir(root)
    written = {each.name: each.read_text(errors="replace") for each in Path("var/lib/hostile").iterdir()}
    traces = []
    for folder, _, files in os.walk("."):
        for name in files:
            path = Path(folder) / name
            if path.is_symlink() or not path.is_file() or path.parts[:1] == ("debs",) or name.endswith(".postinst"):
                continue
            content = path.read_bytes()
            traces += [str(path)] * any(word in content for word in words)
    return written, traces


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _text(path):
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
