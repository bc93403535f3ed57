"""`verify` as a process that is interrupted, and what is looked for afterwards: processes, mounts, groups, files."""

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from pipeline.build.unpacked import trees_of
from runtime.backends.native.kernel_files import start_time

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
PATIENCE = 300.0
GROUP = re.compile(r"seatrial-\d+-(\d+)-(\d+)-\d+")

collect_ignore = ["harbour", "skiff"]


SEATRIAL = (sys.executable, "-m", "pipeline.cli.main")


def environment(store):
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "SEATRIAL_STORE": str(store), "PYTHONPATH": python_path}


def check_store(store):
    """Hash everything in a store again."""
    done = subprocess.run(
        [*SEATRIAL, "cache", "--verify"], env=environment(store), cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Verify:
    """A `verify` under way, in a session of its own."""

    def __init__(self, spec, store, *arguments, begin=True):
        self.lines = []
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*SEATRIAL, "verify", "--json", *arguments, spec.name],
            cwd=spec.parent,
            env=environment(store),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._out = []
        self._threads = [threading.Thread(target=each) for each in (self._read_errors, self._read_output)]
        for each in self._threads:
            each.start()
        if begin:
            self._wait(self.has_begun)
            self.began = time.monotonic()

    def has_begun(self):
        """Tell whether the command answers signals by its own code: until then the interpreter does."""
        caught = next((line for line in _text(f"/proc/{self.process.pid}/status") if line.startswith("SigCgt")), "0")
        return bool(int(caught.split()[-1], 16) >> (signal.SIGTERM - 1) & 1)

    def when(self, word):
        """Wait for the line of progress that begins with a word, and return when it came; None if it never did."""
        self._wait(lambda: self._time_of(word) is not None)
        return self._time_of(word)

    def sleep(self, seconds):
        """Wait so long, or until the process has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            time.sleep(max(0.0, min(0.002, end - time.monotonic())))

    def send(self, number, *, group=False):
        """Send a signal to the process, or to its whole process group as a terminal does."""
        if self.process.poll() is None:
            (os.killpg if group else os.kill)(self.process.pid, number)

    def finish(self):
        """Wait for the end, and return the exit code."""
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"verify did not end: {self.errors}\n{_stacks(self.process.pid)}")
        finally:
            self.close()
        self.ended = time.monotonic()
        return code

    def close(self):
        self.process.kill()
        self.process.wait()
        for each in self._threads:
            each.join()
        self.process.stdout.close()
        self.process.stderr.close()

    @property
    def output(self):
        return "".join(self._out)

    @property
    def errors(self):
        return "".join(line for _, line in self.lines)

    @property
    def document(self):
        return json.loads(self.output)

    def _wait(self, is_true):
        end = time.monotonic() + PATIENCE
        while not is_true() and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)

    def _time_of(self, word):
        return next((at for at, line in self.lines if line.split()[1:2] == [word]), None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.lines.append((time.monotonic(), line))

    def _read_output(self):
        self._out.append(self.process.stdout.read())


class Berth:
    """An application, a store in which it was verified without a disturbance, and what that gave."""

    def __init__(self, name, home):
        self.name, self.home = name, home
        self.store = home / "store"
        self.spec = self.new_spec("undisturbed")
        run = Verify(self.spec, self.store)
        assert run.finish() == 0, run.errors
        self.lock = self.spec.with_name(f"{name}.lock.json")
        self.wanted = facts(run.document)
        locked, built = run.when("lock"), run.when("build")
        self.seconds = {"build": built - locked, "run": run.ended - built}

    def new_spec(self, name, *, locked=False):
        folder = self.home / name
        shutil.copytree(HERE / self.name, folder)
        if locked:
            shutil.copy(self.lock, folder)
        return folder / f"{self.name}.yaml"

    def new_store(self, name, *, base):
        """Return a store that has all packages, and of what was built nothing, or the Debian packages' layers alone."""
        store = self.home / name
        shutil.copytree(self.store / "cache", store / "cache", copy_function=os.link)
        if base:
            lowest = self._blob(self.wanted["image"])["layers"][0]["digest"]
            blobs = Path("oci", "blobs", "sha256")
            (store / blobs).mkdir(parents=True)
            (store / "builds").mkdir()
            for record in (self.store / "builds").iterdir():
                layers = [each["descriptor"]["digest"] for each in json.loads(record.read_bytes())["layers"]]
                if lowest in layers:
                    shutil.copy(record, store / "builds")
                    for each in layers:
                        blob = blobs / each.removeprefix("sha256:")
                        if not (store / blob).exists():  # a record of all strata, and of each
                            os.link(self.store / blob, store / blob)
        return store

    def remove(self, store):
        """Remove a store; some of its files may belong to ids that this user cannot act as."""
        if (store / "trees").is_dir():
            for each in (store / "trees").iterdir():
                if each.is_dir():
                    trees_of(store).remove(each)
        shutil.rmtree(store)

    def _blob(self, digest):
        return json.loads((self.store / "oci/blobs/sha256" / digest.removeprefix("sha256:")).read_bytes())


def facts(document):
    """Return what must be the same after any interruption."""
    (found,) = document["environments"]
    hosts = {each["name"]: (each["state"], each["behavior"]) for each in found["hosts"]}
    names = ("verdict", "lock", "image", "suite", "behavior", "tests")
    return {name: found[name] for name in names} | {"hosts": hosts, "partial": document["partial"]}


def descendants(root):
    """Return the processes below one, in whatever namespaces; those that are dead and not waited for do not count."""
    children = {}
    for each in _processes():
        stat = _text(f"/proc/{each}/stat")
        fields = stat[0].rpartition(")")[2].split() if stat else ["Z", "0"]
        if fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(each)
    found, waiting = [], [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def named(pids):
    return {each: " ".join(_text(f"/proc/{each}/cmdline")).replace("\0", " ")[:200] for each in pids}


def groups_of_the_dead():
    """Return the control groups of runs whose warm process is no more."""
    found = []
    for folder, names, _ in os.walk("/sys/fs/cgroup"):  # others make and remove groups meanwhile: no error here
        runs = filter(None, map(GROUP.fullmatch, names))
        found += [f"{folder}/{each[0]}" for each in runs if start_time(int(each[1])) != int(each[2])]
    return found


def unfinished(store, spec):
    """Return the files and folders that somebody has begun and not ended, in a store and beside a spec."""
    found = list(spec.parent.rglob(".*.new-*"))
    for folder, names, files in os.walk(store):
        found += [Path(folder, each) for each in (*names, *files) if each.startswith((".new-", ".tmp"))]
        if Path(folder) == store / "trees":
            names.clear()  # what is in a tree is the image's own
    return [str(each.relative_to(store.parent)) for each in found]


def wait_until(is_true, seconds):
    end = time.monotonic() + seconds
    while not is_true() and time.monotonic() < end:
        time.sleep(0.01)
    return is_true()


def _processes():
    return [int(each) for each in os.listdir("/proc") if each.isdecimal()]  # noqa: PTH208


def _text(path):
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []


def _stacks(pid):
    return named([pid, *descendants(pid)])


class Machinery:
    """What the tests use of this file, which they cannot import."""

    Verify, facts = Verify, staticmethod(facts)
    descendants, named = staticmethod(descendants), staticmethod(named)
    groups_of_the_dead, unfinished = staticmethod(groups_of_the_dead), staticmethod(unfinished)
    wait_until, check_store = staticmethod(wait_until), staticmethod(check_store)


@pytest.fixture(scope="session")
def sea():
    """Return the machinery; what it starts answers Ctrl-C, even if these tests run where a shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield Machinery
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def orphans():
    """Let orphans of what is started here be this process's children; the value returns those that there are."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    before = set(descendants(os.getpid()))

    def left():
        return [each for each in descendants(os.getpid()) if each not in before]

    yield left
    for each in left():
        os.kill(each, signal.SIGKILL)
    _reap(before)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _reap(others):
    for each in _processes():
        stat = _text(f"/proc/{each}/stat")
        if each not in others and stat and int(stat[0].rpartition(")")[2].split()[1]) == os.getpid():
            try:
                os.waitpid(each, 0)
            except ChildProcessError:
                continue


@pytest.fixture(scope="session")
def berth(request, roomy, sea):
    """Verify an application without a disturbance."""
    home = Path(tempfile.mkdtemp(prefix="seatrial-test-", dir=roomy))
    try:
        made = Berth(request.param, home)
        yield made
    finally:
        for store in (each.parent for each in home.glob("*/cache")):
            Berth.remove(None, store)
        shutil.rmtree(home)
