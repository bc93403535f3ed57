"""A plain user without a range of ids: owners are recorded, and the user of a run is emulated and proved.

Root makes a child for each test that is such a user; a plain user asks for one id whatever it has.
"""

# ruff: noqa: PTH103, S301

import io
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import tempfile
import traceback
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.backend import Unsupported
from runtime.backends.native import processes
from runtime.backends.native.backend import NativeBackend, run_in_tree
from runtime.backends.native.idmap import BASE
from runtime.backends.native.mapped import run_mapped
from runtime.digest import Digest
from runtime.errors import BackendError
from runtime.factors import FACTORS
from runtime.host import Host
from runtime.oci.folder import Folder
from runtime.oci.pack import pack_tree
from runtime.oci.tar import Entry, Kind
from runtime.oci.trees import empty_folder
from runtime.outcome import Fidelity
from runtime.plan import TRACED, File, Plan, Service, User

ROOT = Path(__file__).parents[3]
ID = 4242  # nobody's, and in no file of ranges
EPOCH = 1_700_000_000
PROGRAMS = ("bash", "cat", "chmod", "chown", "cp", "id", "ln", "mkdir", "mv", "rm", "sleep", "stat", "touch", "true")

# name, kind, mode, owner, target
TREE = (
    ("d", Kind.DIRECTORY, 0o755, (0, 0), b""),
    ("d/closed", Kind.FILE, 0o640, (0, 42), b""),
    ("d/hard", Kind.HARDLINK, 0o640, (0, 42), b"d/closed"),
    ("d/link", Kind.SYMLINK, 0o777, (5, 6), b"closed"),
    ("d/plain", Kind.FILE, 0o644, (0, 0), b""),
    ("d/set-id", Kind.FILE, 0o4755, (0, 0), b""),
    ("home", Kind.DIRECTORY, 0o750, (1000, 1000), b""),
    ("home/own", Kind.FILE, 0o600, (1000, 1000), b""),
    ("mail", Kind.DIRECTORY, 0o2775, (0, 8), b""),
)


def python_of_anybody():
    """Return a Python of this version that any user may start, with this tree; empty if there is none."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runtime.errors; print(sys.version_info[:2])"
    for each in (sys.executable, "/usr/bin/python3", f"/usr/bin/python3.{sys.version_info[1]}"):
        command = [each, "-I", "-c", program]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", user=ID, group=ID)
        except OSError:
            continue
        if done.stdout.strip() == str(sys.version_info[:2]):
            return each
    return ""


@pytest.fixture(scope="session")
def python():
    if os.geteuid():
        return sys.executable
    return python_of_anybody() or pytest.skip("no Python of this version that another user may start")


@pytest.fixture
def as_one(python):
    """Call a function as a user of one id, with a folder of its own, and return what it returns."""
    made = []

    def call(function, groups=()):
        place = Path(tempfile.mkdtemp(prefix="seatrial-one-"))
        made.append(place)
        if os.geteuid():
            return function(place)
        os.chown(place, ID, ID)
        return in_child(function, place, groups, python)

    yield call
    for each in made:
        if os.geteuid():
            run_mapped(empty_folder, directories=(each,), one_id=True)
        shutil.rmtree(each)


def in_child(function, place, groups, python):
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a process with threads
        pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            os.setgroups(groups)
            os.setresgid(ID, ID, ID)
            os.setresuid(ID, ID, ID)
            processes.prctl(processes.PR_SET_DUMPABLE, 1)  # as a user's own processes are
            sys.executable = python
            try:
                answer = (True, function(place))
            except BaseException:  # noqa: BLE001 - it is told
                answer = (False, traceback.format_exc())
            with os.fdopen(writer, "wb") as stream:
                pickle.dump(answer, stream)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        succeeded, value = pickle.load(stream)
    os.waitpid(pid, 0)
    assert succeeded, value
    return value


def fill(root):
    with Folder(root) as folder:
        for name, kind, mode, (uid, gid), target in TREE:
            content = name.encode() if kind is Kind.FILE else b""
            path = name.encode()
            entry = Entry(path=path, kind=kind, mode=mode, uid=uid, gid=gid, mtime=9, size=len(content), target=target)
            folder.add(entry, (content,))
        folder.finish()


def pack(root):
    out = io.BytesIO()
    return pack_tree(root, out, epoch=EPOCH).diff_id, out.getvalue()


def folder_in(place, name):
    (place / name).mkdir(mode=0o755)
    return place / name


def owners_of(packed):
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {each.name: (each.uid, each.gid, each.mode) for each in archive}


def programs():
    found = {name: shutil.which(name) for name in PROGRAMS}
    if None in found.values():
        pytest.skip(f"this machine lacks {', '.join(sorted(name for name, path in found.items() if path is None))}")
    content = {f"bin/{name}": Path(path).read_bytes() for name, path in found.items()}
    for path in found.values():
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        libraries = {word for line in listed.splitlines() for word in line.split() if word.startswith("/")}
        content |= {each.lstrip("/"): Path(each).read_bytes() for each in libraries}
    return content


def lay_programs(root):
    content = programs()
    fill(root)
    os.fchdir(root)
    os.umask(0)
    for name in ("app", "proc", "sys", "dev", "root", "tmp", "etc"):
        os.makedirs(name, 0o755)
    for path, raw in content.items():
        Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        Path(path).write_bytes(raw)
        Path(path).chmod(0o755)
    Path("etc/passwd").write_text("app:x:1000:1000::/home:/bin/sh\n")
    Path("bin/sh").symlink_to("bash")


def plan_of(*argv, **levels):
    bare = Plan(
        image=Digest.of(b""),
        suite=None,
        argv=argv,
        workdir="/app",
        environment={"PATH": "/bin"},
        user=User(uid=1000, gid=1000, home="/home"),
        capabilities=(),
        deadline=20_000,
    )
    cpus = str(min(2, len(os.sched_getaffinity(0))))
    factors = {"cpus": cpus} | {name.replace("_", "-"): level for name, level in levels.items()}
    return Host(name="test", factors=factors).apply(bare)


def backend_with_programs(place):
    layer = folder_in(place, "layer")
    run_mapped(lay_programs, directories=(layer,), one_id=True)
    return NativeBackend(lambda _: (layer,), one_id=True)


def wait(backend, *argv, **levels):
    with backend.start(plan_of(*argv, **levels)) as running:
        return running.wait()


def test_layer_of_tree_with_recorded_owners_has_the_same_bytes(as_one):
    def make(place):
        folder = folder_in(place, "tree")
        run_mapped(fill, directories=(folder,), one_id=True)
        assert {each.stat().st_uid for each in (folder / "d").iterdir()} == {os.geteuid()}
        return run_mapped(pack, directories=(folder,), one_id=True)

    diff_id, packed = as_one(make)
    assert owners_of(packed) == {
        name: (*owner, mode) for name, kind, mode, owner, _ in TREE if kind is not Kind.HARDLINK
    } | {"d/hard": (0, 42, 0o640)}
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as name:
            whole = folder_in(Path(name), "tree")
            os.chown(whole, BASE, BASE)
            run_mapped(fill, directories=(whole,))
            assert run_mapped(pack, directories=(whole,)) == (diff_id, packed)


SCRIPT = """set -e
cd /d
touch a n; chown 5:6 a; chown :7 a; test $(stat -c %u:%g a) = 5:7
mkdir f; touch f/x; chown -R 3:4 f
ln -s a l; chown -h 8:9 l; mv l m
cp --preserve=ownership a b; mv b c; test $(stat -c %u:%g c) = 5:7
touch s; chmod 6755 s; chown 0:1 s; test $(stat -c %a s) = 755
ln a e; chown 0:0 n; rm -f plain; touch plain
test $(stat -L -c %u m) = 5
if chown 1:1 missing 2>/dev/null; then exit 9; fi
chown 5:5 /proc/self/cwd/set-id; cd /; chown 2:2 d/../mail
"""


def test_owners_that_a_script_gives_are_recorded_and_shown(as_one):
    def run(place):
        folder = folder_in(place, "tree")
        run_mapped(lay_programs, directories=(folder,), one_id=True)
        outcome = run_in_tree(folder, plan_of("sh", "-c", SCRIPT, user="root"), one_id=True)
        assert outcome.exit_code == 0, (outcome.exit_code, outcome.stderr.content)
        return owners_of(run_mapped(pack, directories=(folder,), one_id=True)[1])

    found = as_one(run)
    given = {"a": (5, 7), "c": (5, 7), "e": (5, 7), "f": (3, 4), "f/x": (3, 4), "m": (8, 9), "s": (0, 1), "n": (0, 0)}
    assert {name: found[f"d/{name}"][:2] for name in given} == given
    assert found["d/plain"][:2] == (0, 0)
    assert found["d/set-id"] == (5, 5, 0o755)
    assert found["mail"] == (2, 2, 0o2775)
    assert found["home/own"][:2] == (1000, 1000)


def test_owners_that_a_script_gives_over_layers_are_recorded_in_the_folder_that_keeps_them(as_one):
    def run(place):
        below, folder, work = (folder_in(place, name) for name in ("layer", "tree", "work"))
        run_mapped(lay_programs, directories=(below,), one_id=True)
        plan = plan_of("sh", "-c", SCRIPT, user="root")
        outcome = run_in_tree(folder, plan, below=(below,), work=work, one_id=True)
        assert outcome.exit_code == 0, (outcome.exit_code, outcome.stderr.content)
        return owners_of(run_mapped(pack, directories=(folder,), one_id=True)[1])

    found = as_one(run)
    given = {"a": (5, 7), "c": (5, 7), "e": (5, 7), "f": (3, 4), "f/x": (3, 4), "m": (8, 9), "s": (0, 1), "n": (0, 0)}
    assert {name: found[f"d/{name}"][:2] for name in given} == given
    assert found["mail"][:2] == (2, 2)


def test_script_that_becomes_another_user_fails(as_one):
    def run(place):
        folder = folder_in(place, "tree")
        run_mapped(lay_programs, directories=(folder,), one_id=True)
        shutil.copy(Path(shutil.which("setpriv")), folder / "bin" / "setpriv")
        script = "setpriv --reuid 6 --regid 6 --clear-groups true"
        return run_in_tree(folder, plan_of("sh", "-c", script, user="root"), one_id=True).exit_code

    assert as_one(run) != 0


@pytest.mark.parametrize("level", ["image", "app", "arbitrary", "root"])
def test_user_is_emulated_and_proved(as_one, level):
    def run(place):
        with backend_with_programs(place) as backend:
            assert backend.check(plan_of("true", user=level))["user"] is Fidelity.EMULATED
            return wait(backend, "true", user=level).evidence["user"]

    evidence = as_one(run)
    may = {"arbitrary": "write=EACCES read=yes", "root": "write=yes read=yes"}
    assert may.get(level, "write=EACCES read=EACCES") in evidence.found
    assert evidence.holds
    assert evidence.fidelity is Fidelity.EMULATED


def test_files_of_an_image_are_closed_as_their_owners_say(as_one):
    script = "for each in /d/closed /d/plain /home/own; do cat $each >/dev/null 2>&1 && echo read $each; done; "
    script += "for each in / /d /dev /home /mail /app; do touch $each/new 2>/dev/null && echo write $each; done; id -u"

    def run(place):
        with backend_with_programs(place) as backend:
            levels = ("image", "arbitrary", "root")
            return {each: wait(backend, "sh", "-c", script, user=each).stdout.content.decode() for each in levels}

    found = {level: text.split("\n") for level, text in as_one(run).items()}
    assert found["image"] == ["read /d/plain", "read /home/own", "write /home", "1000", ""]
    assert found["arbitrary"] == ["read /d/plain", "write /home", "1000660000", ""]
    read = ["read /d/closed", "read /d/plain", "read /home/own"]
    assert found["root"] == [
        *read,
        *(f"write {each}" for each in ("/", "/d", "/dev", "/home", "/mail", "/app")),
        "0",
        "",
    ]


def test_service_runs_beside_and_is_shown_as_its_own_user(as_one):
    told = "id -u; touch /d/new 2>/dev/null && echo wrote; sleep 0.3; exit 3"

    def run(place):
        with backend_with_programs(place) as backend:
            user = User(uid=1001, gid=1001, home="/home")
            argv, image = ("sh", "-c", told), Digest.of(b"")
            db = Service(name="db", image=image, argv=argv, environment={"PATH": "/bin"}, user=user)
            with (
                pytest.raises(BackendError) as caught,
                backend.start(replace(plan_of("sleep", "15"), services=(db,))) as running,
            ):
                running.wait()
            return caught.value.message

    assert as_one(run) == "service 'db' ended with exit code 3 before the suite did; it wrote last: 1001"


def test_plain_user_may_not_give_files_away(as_one):
    script = "touch /home/f; chown 1000:1000 /home/f && echo own; chown 0 /home/f; chown :5 /home/f"

    def run(place):
        with backend_with_programs(place) as backend:
            outcome = wait(backend, "sh", "-c", script)
            return outcome.stdout.content, outcome.stderr.content

    out, errors = as_one(run)
    assert out == b"own\n"
    assert errors.count(b"Operation not permitted") == 2


def test_every_level_takes_effect_or_is_unsupported_with_a_hint(as_one):
    # The small tree has no zone files, no locales, and no programs of another architecture.
    unfit = {"timezone", "locale", "architecture"}

    def run(place):
        wrong = {}
        with backend_with_programs(place) as backend:
            for factor in FACTORS:
                for level in factor.levels if factor.name not in unfit else ():
                    plan = plan_of("true", **{factor.name: level})
                    checked = backend.check(plan)
                    if isinstance(checked, Unsupported):
                        wrong |= {f"{factor.name}={level}": checked.reason} if not checked.hint else {}
                        continue
                    with backend.start(plan) as running:
                        outcome = running.wait()
                    broken = {name: each.found for name, each in outcome.evidence.items() if not each.holds}
                    broken = {name: each for name, each in broken.items() if name not in unfit}
                    wrong |= {f"{factor.name}={level}": broken} if broken else {}
        return wrong

    assert as_one(run) == {}


def test_set_user_id_programs_and_further_groups_are_unsupported(as_one):
    def run(place):
        with backend_with_programs(place) as backend:
            plan = plan_of("true")
            grouped = replace(plan, user=replace(plan.user, groups=(27,)))
            return [backend.check(each) for each in (grouped, plan_of("true", no_new_privileges="no"))]

    found = as_one(run)
    assert [isinstance(each, Unsupported) for each in found] == [True, True]
    assert "27" in found[0].reason


def test_groups_of_the_caller_stay_and_are_told(as_one):
    if os.geteuid():
        pytest.skip("needs root to have further groups")

    def run(place):
        with backend_with_programs(place) as backend:
            return wait(backend, "sh", "-c", "id -G").evidence["user"]

    evidence = as_one(run, groups=(27, 100))
    assert evidence.found.endswith("caller's-groups=2")
    assert evidence.holds


def test_run_is_traced_for_a_user_of_one_id(as_one):
    def started(place):
        with backend_with_programs(place) as backend:
            plan = plan_of("sh", "-c", "umask 7; : < /etc/passwd")
            with backend.start(replace(plan, files=(*plan.files, File(path=TRACED)))) as running:
                return running.wait().trace.to_json()

    assert {"calls umask", "opens /etc/passwd"} <= set(as_one(started)["signs"])
