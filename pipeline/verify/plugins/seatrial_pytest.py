"""Report every test of a pytest session, one line of JSON at a time, to the machine that watches the run.

This file is laid into the run beside the suite's tools and is found by its ``pytest11`` entry point. It uses the
standard library only, runs under Python 3.6 and later and pytest 5 and later, and never changes what a test sees: it
sets no variable, holds no descriptor open, and swallows its own errors.

* A line is appended in one ``write`` to a file opened for that line alone. So it survives a kill at any moment, and a
  test that closes all descriptors cannot send a line into a file of the app.
* A session inside another one (a suite that tests pytest plug-ins) reports nothing and selects nothing.
* Under pytest-xdist the controller reports; workers select, and hand over what only they can know.
* ``sys.dont_write_bytecode`` is left alone: the tree of a run is its own private copy, and an app may look at the flag.
"""

# Python 3.6 and a foreign process: no pathlib, no annotations, no error that reaches the suite.
# ruff: noqa: ANN001, ANN003, ANN201, ANN204, ARG002, BLE001, FURB188, PTH100, PTH109, PTH112, PTH113, PTH118, PTH123
# ruff: noqa: PLC0415, S102, S110, S112, SIM105, SLF001, UP031
# mypy: ignore-errors

import importlib.machinery
import json
import os
import sys

import pytest

ROOT = "/.seatrial"
OUT = ROOT + "/out"
RESULTS = OUT + "/pytest.jsonl"
SELECTION = ROOT + "/select.json"
ORDER = ROOT + "/order"
TREE = ROOT + "/tree.json"
MOVED = ROOT + "/moved-from"
TRACED = ROOT + "/traced"
TOOLS = ROOT + "/python"
FORMAT = 1
MESSAGE = 2000
CHUNK = 200
PASSED = b'{"event":"test","n":%d,"outcome":"passed","phase":"%s"}'
PHASES = {"setup": b"setup", "call": b"call"}


class Lines:
    """The file of results. Functions are kept here since tests, and fake file systems, patch those of modules."""

    def __init__(self, path):
        self.path = path
        self.open = os.open
        self.write = os.write
        self.close = os.close
        self.encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
        self.flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)

    def put(self, event, **values):
        """Append one event; nothing happens if that is impossible."""
        values["event"] = event
        try:
            self.append(self.encode(values).encode("ascii"))
        except Exception:  # a full disk, a limit, a text that has no JSON form
            pass

    def put_passed(self, number, phase):
        """Append that a phase of a test passed: of a thousand lines nearly all, so without the way through JSON."""
        try:
            self.append(PASSED % (number, phase))
        except Exception:
            pass

    def append(self, line):
        """Append a line, whole."""
        descriptor = self.open(self.path, self.flags, 0o666)
        try:
            self.write(descriptor, line + b"\n")
        finally:
            self.close(descriptor)


class Session:
    """One session that reports: the only one of its process, and no descendant of another."""

    def __init__(self, path, prefix):
        self.lines = Lines(path)
        self.prefix = prefix
        self.numbers = {}
        self.pid = os.getpid()

    def collected(self, ids):
        """Write the ids that are going to run, once."""
        if self.numbers:
            return
        ids = [self.prefix + each for each in ids]
        for first in range(0, len(ids), CHUNK):
            self.lines.put("collected", ids=ids[first : first + CHUNK])
        for number, name in enumerate(ids):
            self.numbers.setdefault(name, number)

    def report(self, report):
        """Write one phase of one test."""
        name = self.prefix + report.nodeid
        number = self.numbers.get(name)
        if report.outcome == "passed":
            if report.when == "teardown":
                return
            if number is not None and report.when in PHASES:
                self.lines.put_passed(number, PHASES[report.when])
                return
        values = {"phase": report.when, "outcome": report.outcome}
        if number is None:
            values["id"] = name
        else:
            values["n"] = number
        values.update(reason_of(report))
        values.update(getattr(report, "seatrial", None) or plain(report))
        self.lines.put("test", **values)

    def collection(self, report):
        """Write a file, or a class, that could not be collected or skipped itself."""
        values = reason_of(report)
        values.update(getattr(report, "seatrial", None) or plain(report))
        self.lines.put("collection", id=self.prefix + report.nodeid, outcome=report.outcome, **values)


class State:
    """What this process knows: the one session that reports, while it does."""

    session = None


def is_nested():
    """Tell whether a session that reports is under way in this process or in one that it descends from."""
    running = set()
    try:
        with open(RESULTS, "rb") as stream:
            for line in stream:
                if b'"event":"start"' in line or b'"event":"finish"' in line:
                    event = json.loads(line.decode("ascii"))
                    (running.add if event["event"] == "start" else running.discard)(event["pid"])
    except Exception:
        return False
    return bool(running.intersection(ancestors()))


def ancestors():
    """Return the ids of this process and of those that it descends from, as far as /proc shows them."""
    pids, pid = [], os.getpid()
    while pid > 0 and pid not in pids:
        pids.append(pid)
        try:
            with open("/proc/%d/stat" % pid, "rb") as stream:
                pid = int(stream.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return pids


def selection():
    """Return the ids to run, or None for all."""
    try:
        with open(SELECTION, "rb") as stream:
            return frozenset(json.loads(stream.read().decode("utf-8")))
    except OSError:
        return None


def in_order(items, order):
    """Return tests in an order: ``reverse``, ``random`` or ``random-N`` by a hash of their ids; else as they come.

    By a hash, as the same tests must come in the same order under every Python, whatever else is selected. Tests that
    share an id keep their order among each other, by which they are told apart.
    """
    if order == "reverse":
        places = {}
        for place, item in enumerate(items):
            places.setdefault(item.nodeid, place)
        return sorted(items, key=lambda item: -places[item.nodeid])
    if not order.startswith("random"):
        return items
    import hashlib  # loads a library of cryptography, which no other order needs

    return sorted(
        items, key=lambda item: hashlib.sha256((order + " " + item.nodeid).encode("utf-8", "replace")).digest()
    )


def order():
    """Return in which order the tests are to run; empty for as they are written."""
    try:
        with open(ORDER, "rb") as stream:
            return stream.read().decode("ascii", "replace")
    except OSError:
        return ""


def root_of(config):
    """Return the folder that pytest's ids are relative to."""
    return str(getattr(config, "rootpath", None) or config.rootdir)


def prefix_of(config):
    """Return what pytest's ids lack where the working folder lies elsewhere than the spec says.

    Without a file of settings, pytest takes the common parent of the working folder and of the tests for its root: a
    test outside of the working folder would get another id with each place of that folder.
    """
    try:
        with open(MOVED, "rb") as stream:
            home = stream.read().decode("utf-8")
    except OSError:
        return ""
    root = root_of(config)
    settings = getattr(config, "inipath", None) or getattr(config, "inifile", None)
    if settings or is_below(root, [os.getcwd()]) or os.path.isfile(os.path.join(root, "setup.py")):
        return ""
    shared = os.path.commonpath([home, root])
    return "" if shared in ("/", root) else os.path.relpath(root, shared) + "/"


def details(excinfo, path):
    """Return what is to know of an exception: its type, errno and text, and where it failed.

    ``path`` is the test's file: the last frame in it is where the test failed; without one, the last frame of all.
    """
    values = {}
    try:
        kind = type(excinfo.value)
        module = kind.__module__
        values["exception"] = kind.__qualname__ if module == "builtins" else module + "." + kind.__qualname__
        number = getattr(excinfo.value, "errno", None)
        if isinstance(number, int) and not isinstance(number, bool):
            values["errno"] = number
        values["message"] = excinfo.exconly(tryshort=True)[:MESSAGE]
    except Exception:  # the exception's own methods may fail
        pass
    try:
        values["file"], values["line"] = place(excinfo.traceback, path)
    except Exception:
        pass
    return values


def place(traceback, path):
    """Return file, relative to the working folder if it is below it, and line of the frame to show."""
    frames = [(str(entry.path), entry.lineno + 1) for entry in traceback]
    own = [frame for frame in frames if frame[0] == path]
    name, line = (own or frames)[-1]
    here = os.getcwd().rstrip("/") + "/"
    return (name[len(here) :] if name.startswith(here) else name), line


def plain(report):
    """Return the text of a failure that carries no exception, such as a strict xpass or a crashed worker."""
    if report.outcome != "failed":
        return {}
    try:
        return {"message": str(report.longrepr)[:MESSAGE]}
    except Exception:
        return {}


def reason_of(report):
    """Return why a test was skipped, without the place that pytest puts before it."""
    if report.outcome != "skipped":
        return {}
    expected = getattr(report, "wasxfail", None)
    if expected is not None:
        reason = str(expected)
        return {"reason": "xfail: " + (reason[8:] if reason.startswith("reason: ") else reason)}
    longrepr = report.longrepr
    reason = str(longrepr[2] if isinstance(longrepr, tuple) and len(longrepr) == 3 else longrepr)
    return {"reason": (reason[9:] if reason.startswith("Skipped: ") else reason)[:MESSAGE]}


def shadows():
    """Return the modules from the suite tree of which the image has one too: name, file, the image's file."""
    roots = [TOOLS]
    try:
        with open(TREE, "rb") as stream:
            roots += json.loads(stream.read().decode("utf-8"))["paths"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = []
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if "." in name or not isinstance(path, str) or not is_below(path, roots):
            continue
        image = image_file(name, roots)
        if image:
            found.append([name, path, image])
    return found


def is_below(path, roots):
    """Tell whether a path is one of the roots or below one."""
    return any(path == root or path.startswith(root.rstrip("/") + "/") for root in roots)


def image_file(name, roots):
    """Return the file that would be loaded for ``name`` without the suite tree; empty if there is none."""
    for entry in sys.path:
        folder = os.path.abspath(entry or ".")
        if is_below(folder, roots):
            continue
        try:
            spec = importlib.machinery.PathFinder.find_spec(name, [folder])
        except Exception:
            continue
        if spec is not None and spec.origin and spec.has_location and not is_below(spec.origin, roots):
            return spec.origin
    return ""


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    """Begin to report, unless another session does."""
    workerinput = getattr(session.config, "workerinput", None)
    if workerinput is not None:
        return  # its controller reports
    if State.session is None and os.path.isdir(OUT) and not is_nested():
        session.config._seatrial = State.session = Session(RESULTS, prefix_of(session.config))
        State.session.lines.put("start", format=FORMAT, pid=State.session.pid, root=root_of(session.config))
        session.config.pluginmanager.register(Reporter(State.session), "seatrial-reporter")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session):
    """Listen to each test where the run is traced: the file that says so is the listener."""
    if not is_ours(session.config):
        return
    try:
        with open(TRACED, "rb") as stream:
            code = compile(stream.read(), TRACED, "exec")
        names = {"__name__": "seatrial_touches"}
        exec(code, names)
        touches = names["Touches"](Lines(RESULTS).put, prefix_of(session.config), ROOT)
        session.config.pluginmanager.register(names["listener"](touches), "seatrial-listener")
    except Exception:  # there is no such file
        pass


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Tell a worker of pytest-xdist that its controller reports."""
    if getattr(node.config, "_seatrial", None) is not None:
        node.workerinput["seatrial"] = True


def is_ours(config):
    """Tell whether this session reports, or works for one that does."""
    workerinput = getattr(config, "workerinput", None)
    if workerinput is not None:
        return bool(workerinput.get("seatrial"))
    return getattr(config, "_seatrial", None) is not None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Put the tests in order, and keep the selected ones only."""
    if not is_ours(config):
        return
    items[:] = in_order(items, order())
    chosen = selection()
    if chosen is None:
        return
    prefix = prefix_of(config)
    dropped = [item for item in items if prefix + item.nodeid not in chosen]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if prefix + item.nodeid in chosen]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session):
    """Write what is going to run."""
    reporting = getattr(session.config, "_seatrial", None)
    if reporting is not None and session.items:
        reporting.collected([item.nodeid for item in session.items])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node, ids):
    """Write what is going to run, as the first worker collected it."""
    reporting = getattr(node.config, "_seatrial", None)
    if reporting is not None:
        reporting.collected(list(ids))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Attach to a report what pytest drops when it turns an exception into text."""
    result = yield
    if call.excinfo is not None and is_ours(item.config):
        report = result.get_result()
        if report.outcome == "failed":
            report.seatrial = details(call.excinfo, str(getattr(item, "path", None) or item.fspath))


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector):
    """Likewise for a file that cannot be collected."""
    result = yield
    report = result.get_result()
    excinfo = getattr(getattr(report, "call", None), "excinfo", None)
    if report.outcome == "failed" and excinfo is not None and is_ours(collector.config):
        report.seatrial = details(excinfo, str(getattr(collector, "path", None) or collector.fspath))


class Reporter:
    """The hooks that have no ``config`` argument, registered for the session that reports and for no other."""

    def __init__(self, session):
        self.session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        """Write one phase of one test."""
        self.session.report(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report):
        """Write what could not be collected."""
        if report.outcome != "passed":
            self.session.collection(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        """Write what a worker saw."""
        for name, loaded, image in (getattr(node, "workeroutput", None) or {}).get("seatrial", ()):
            self.session.lines.put("shadow", module=name, loaded=loaded, image=image)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """End the report, with what shadowed the app."""
    config = session.config
    if not is_ours(config):
        return
    if getattr(config, "workeroutput", None) is not None:
        config.workeroutput["seatrial"] = shadows()
        return
    reporting = State.session
    State.session = None
    if os.getpid() != reporting.pid:  # a test forked, and its child ran to the end of the session
        return
    for name, loaded, image in shadows():
        reporting.lines.put("shadow", module=name, loaded=loaded, image=image)
    reporting.lines.put("finish", exit=int(exitstatus), pid=reporting.pid)
