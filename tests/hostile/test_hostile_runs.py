"""The runtime checklist on the native backend: each attack is refused or contained; what contains it has a mutant."""

import ctypes
import errno
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from hostile_layers import END, file, folder, link, unpack_into
from hostile_runs import ATTACKS, MAPPED_CHECK, UNTOLD, Link, lay, lay_base
from probe import Result, probe, results

from runtime.backends.native import launch
from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.idmap import BASE
from runtime.backends.native.mapped import run_mapped
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.host import Host
from runtime.oci.trees import empty_folder
from runtime.plan import File, Plan, Tmpfs, User

HOME = Path(__file__).parents[2]
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h
MUTANTS = [name for name, each in ATTACKS.items() if each.mutant]


class Yard:
    """Crafted trees by the digest that a plan names, and a backend to run them."""

    def __init__(self, folder):
        self.folder = folder
        self.layers = {}
        self.base = self.tree("base", lay_base)

    def tree(self, name, fill):
        path = self.folder / name
        path.mkdir()
        if os.getuid() == 0:
            os.chown(path, BASE, BASE)
        run_mapped(fill, directories=(path,))
        return path

    def layers_of(self, digest):
        return self.layers[digest]

    def plan(self, name, **changes):
        attack = ATTACKS[name]
        digest = Digest.of(name.encode())
        if digest not in self.layers:
            files = dict(attack.files)
            upper = (self.tree(name, lambda folder: lay(folder, files)),) if files else ()
            self.layers[digest] = (self.base, *upper)
        argv = ("/bin/sh", "-c", attack.argv) if isinstance(attack.argv, str) else attack.argv
        given = {**attack.plan, **changes}
        bare = Plan(
            image=digest, suite=None, argv=argv, workdir="/app", environment={"PATH": "/bin"},
            user=User(uid=1000, gid=1000, home="/home/app"), capabilities=(), deadline=20_000,
        )  # fmt: skip
        cpus = str(min(2, len(os.sched_getaffinity(0))))
        host = Host(name="test", factors={"cpus": cpus, **given.pop("host", {})})
        return replace(host.apply(bare), **given)


@pytest.fixture(scope="module")
def yard(tmp_path_factory):
    if platform.machine() != "x86_64" or not shutil.which("busybox"):
        pytest.skip("needs x86_64 and busybox-static")
    made = Yard(tmp_path_factory.mktemp("hostile"))
    yield made
    for each in made.folder.iterdir():
        run_mapped(empty_folder, directories=(each,))


@pytest.fixture(scope="module")
def native(yard):
    os.environ["SEATRIAL_SECRET"] = "of the caller"  # noqa: S105 - found by no run
    leaked = [os.open("/", os.O_RDONLY) for _ in range(20)]
    for each in leaked:
        os.set_inheritable(each, True)  # noqa: FBT003 - the interface of os
    with NativeBackend(yard.layers_of) as backend:
        reason = backend.available()
        if reason:
            pytest.skip(f"{reason.reason}; {reason.hint}")
        yield backend
    del os.environ["SEATRIAL_SECRET"]
    for each in leaked:
        os.close(each)


def failed_to_hold(attack, backend, plan):
    """Return what an attack did if it was neither refused nor contained, and empty text if it was."""
    try:
        with backend.start(plan, evidence=False) as running:
            outcome = running.wait()
    except BackendError as error:
        return "" if attack.refused and re.search(attack.refused, error.message) else f"refused: {error.message}"
    return "" if not attack.refused and attack.proof(outcome) else str(outcome)


@pytest.mark.bar("7 hostile", slice=40)
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused_or_contained(name, yard, native):
    began = time.monotonic()
    assert failed_to_hold(ATTACKS[name], native, yard.plan(name)) == ""
    assert time.monotonic() - began < 30


@pytest.mark.bar("7 mutants", slice=8)
@pytest.mark.parametrize("name", MUTANTS)
def test_attack_is_not_stopped_as_before_without_its_check(name, yard, native, tmp_path, monkeypatch):
    shutil.copytree(HOME / "runtime", tmp_path / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    for path, old, new in ATTACKS[name].mutant:
        source = (tmp_path / path).read_text()
        assert source.count(old) == 1, (path, old)
        (tmp_path / path).write_text(source.replace(old, new))
        if path.endswith(".c"):
            built = tmp_path / path.replace(".c", f"-{platform.machine()}")
            subprocess.run(["cc", "-O2", "-static", "-o", built, tmp_path / path], check=True)
    monkeypatch.setattr(launch, "HOME", str(tmp_path))
    with NativeBackend(yard.layers_of) as backend:
        did = failed_to_hold(ATTACKS[name], backend, yard.plan(name, deadline=6_000))
    assert did
    lost = "refused: the run was lost"  # what it left is read for ever
    assert did.startswith(lost) or not did.startswith("refused"), (
        "the attack must get through, and not fail for another reason"
    )


def test_attacks_are_all_different():
    shapes = Counter((each.check, str(each.argv), str(each.files), str(each.plan)) for each in ATTACKS.values())
    assert shapes.most_common(1)[0][1] == 1


def test_every_check_has_a_mutant_or_a_reason_for_none():
    checks = {each.check for each in ATTACKS.values()}
    told = {each.check for each in ATTACKS.values() if each.mutant} | ({MAPPED_CHECK} if os.getuid() else set())
    assert told | UNTOLD.keys() == checks
    assert not told & UNTOLD.keys()


def test_checks_are_many():
    assert len({each.check for each in ATTACKS.values()}) >= 40


def exchange(first, second, stop, counts):
    """Exchange two names for ever, as fast as the kernel does it."""
    libc = ctypes.CDLL(None, use_errno=True)
    while not stop.is_set():
        if libc.renameat2(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE) == 0:
            counts[0] += 1


@pytest.mark.bar("7 races")
@pytest.mark.parametrize("rounds", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_folder_exchanged_with_a_link_during_starts_leads_nowhere(rounds, yard, native, tmp_path):
    """A folder is exchanged with a link out of the tree while runs mount, write and enter there (CVE-2021-30465)."""
    if os.getuid():
        pytest.skip("only root may change a tree of other ids from outside")
    canary = tmp_path / "canary"
    (canary / "d").mkdir(parents=True)
    canary.chmod(0o777)
    (canary / "d").chmod(0o777)
    tmp_path.chmod(0o755)
    tree = yard.tree(f"race-{rounds}", lay_base)
    for name in ("swap/d", str(canary).lstrip("/") + "/d"):
        run_mapped(lambda folder, name=name: _make(folder, name), directories=(tree,))
    (tree / "link").symlink_to("../../../../../../../../.." + str(canary))
    stop, counts = threading.Event(), [0]
    attacker = threading.Thread(target=exchange, args=(tree / "swap", tree / "link", stop, counts))
    attacker.start()
    ended = Counter()
    plan = yard.plan(
        "exe_as_program",
        argv=("/bin/true",),
        workdir="/swap/d",
        tmpfs=(Tmpfs(path="/swap/mounted", size=4096, mode=0o777),),
        files=(File(path="/swap/file", content=b"laid"),),
    )
    try:
        for _ in range(rounds):
            try:
                with native.start(plan, tree=tree, evidence=False) as running:
                    ended[running.wait().exit_code] += 1
            except BackendError as error:
                ended[error.message.partition(":")[0]] += 1
            assert sorted(each.name for each in canary.iterdir()) == ["d"]
    finally:
        stop.set()
        attacker.join()
    assert list((canary / "d").iterdir()) == []
    assert counts[0] > rounds
    assert ended[0], ended


def _make(folder, name):
    os.fchdir(folder)
    os.umask(0)
    Path(name).mkdir(parents=True)


@pytest.mark.bar("7 hostile")
def test_abstract_socket_of_the_machine_is_not_reached(yard, native):
    name = f"\0seatrial-{os.getpid()}"
    address = b"\x01\x00" + name.encode()
    program = probe((41, 1, 1, 0), (42, Result(0), address, len(address)))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        listener.listen()
        tree = yard.tree("socket", lambda folder: lay(folder, {"app/probe": program}))
        plan = yard.plan("exe_as_program", argv=("/app/probe",), image=Digest.of(b"socket"))
        yard.layers[plan.image] = (yard.base, tree)
        with native.start(plan, evidence=False) as running:
            descriptor, answer = results(running.wait().stdout.content)
    assert (descriptor > 2, answer) == (True, -errno.ECONNREFUSED)


@pytest.mark.bar("7 hostile")
def test_link_of_one_layer_is_followed_by_no_other_one(yard, native, tmp_path):
    """What a layer lays or hides below a link of a lower one is in a folder of its own, here and in the stack."""
    (tmp_path / "kept").write_text("of the machine")
    out, inside = str(tmp_path).encode(), b"/srv"
    lower = folder(b"srv") + file(b"srv/kept", b"of the image") + link(b"out", out) + link(b"in", inside)
    higher = file(b"out/kept", b"laid") + file(b"out/.wh.gone") + file(b"in/.wh.kept") + file(b"in/new", b"laid, too")
    plan = yard.plan("exe_as_program", argv=("/bin/sh", "-c", LOOK), image=Digest.of(b"linked layers"))
    yard.layers[plan.image] = (
        yard.base,
        yard.tree("linking", lambda place: unpack_into(place, lower + END)),
        yard.tree("linked", lambda place: unpack_into(place, higher + END)),
    )
    with native.start(plan, evidence=False) as running:
        outcome = running.wait()
    assert outcome.stdout.content.decode().splitlines() == [
        "directory directory", "out/kept:laid", "in/new:laid, too", "srv/kept:of the image"
    ]  # fmt: skip
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("kept", "of the machine")]


LOOK = "cd /; echo $(stat -c %F /out /in); grep -r '' out in srv"


@pytest.mark.bar("7 hostile")
def test_cleaning_a_tree_follows_no_link(yard, tmp_path):
    (tmp_path / "kept").write_text("kept")
    files = {"a/b": Link(str(tmp_path)), "a/c": None, "d": Link("..")}
    tree = yard.tree("cleaned", lambda folder: lay(folder, files))
    run_mapped(empty_folder, directories=(tree,))
    assert list(tree.iterdir()) == []
    assert (tmp_path / "kept").read_text() == "kept"
