"""Tell what each test of a traced run touches: what its code names and enters, and which variables it asks for.

The plug-in loads this file where a run is traced, and nowhere else: it slows a run down and changes what it sees. It
tells the kernel's listener, too, when a test begins and ends, by asking for a file that is not there. Each Python that
a test starts loads it as well, as a user's customization, and tells what it touches until it ends.
"""

# Python 3.6 and a foreign process: no pathlib, no annotations, no error that reaches the suite.
# ruff: noqa: ANN001, ANN003, ANN201, ANN202, ANN204, BLE001, PLC0415, RUF005, S110, SLF001, UP031
# mypy: ignore-errors

import atexit
import hashlib
import json
import opcode
import os
import sys
import sysconfig
import threading

ROOT = "/.seatrial"
RESULTS = ROOT + "/out/pytest.jsonl"
CURRENT = "PYTEST_CURRENT_TEST"
TEMPORARY = ("tmp_path", "tmpdir", "tmp_path_factory", "tmpdir_factory")
SHARED = (dict, list, set)
MARK = "/.seatrial/mark/%s/%s"
MOST = 1000
KEY = 16
SETS = frozenset(opcode.opmap[name] for name in ("BUILD_SET", "SET_ADD", "SET_UPDATE") if name in opcode.opmap)
STORES = frozenset(opcode.opmap[name] for name in ("STORE_GLOBAL",) if name in opcode.opmap)
TOOLS = ("/_pytest/", "/pluggy/", "/xdist/", "/execnet/")
APP, LIBRARY, TOOL = range(3)


class Touches:
    """What the test that is under way touches; one for a process.

    Args:
        put: writes an event.
        prefix: what pytest's ids lack.
        root: folder of what a run gets beside its app.
    """

    def __init__(self, put, prefix, root):
        self.put = put
        self.prefix = prefix
        self.tools = root + "/"
        paths = sysconfig.get_paths()
        self.library = tuple({paths[name] + "/" for name in ("stdlib", "platstdlib")})
        self.packages = ("/site-packages/", "/dist-packages/")
        self.signs = {}
        self.kinds = {}
        self.depths = {}
        self.tools_at_work = 0
        self.access = os.access
        self.ident = threading.get_ident

    def begin(self, name):
        """Begin to listen to a test."""
        self.signs = {}
        self.depths = {}
        self.mark("begin", name)
        self.listen()

    def mark(self, what, name):
        """Tell the kernel's listener that a test begins, or has ended."""
        self.access(MARK % (what, key_of(name)), os.F_OK)

    def listen(self):
        """Listen to this process."""
        listen_to_variables(self.take_variable)
        threading.setprofile(self.profile)
        sys.setprofile(self.profile)

    def end(self, name):
        """Tell what there was."""
        sys.setprofile(None)
        threading.setprofile(None)
        listen_to_variables(None)
        self.mark("end", name)
        self.put("touched", id=name, signs=self.signs)

    def begin_tool(self, name, function):
        """Look away while a fixture of pytest itself is set up; tell whether it is one."""
        code = getattr(function, "__code__", None)
        if code is None or self.kind_of(code) != TOOL:
            return False
        self.tools_at_work += 1
        self.mark("end", name)
        return True

    def end_tool(self, name):
        """Look again."""
        self.tools_at_work -= 1
        if not self.tools_at_work:
            self.mark("begin", name)

    def count(self, verb, about):
        """Count a sign."""
        sign = "%s %s" % (verb, about)
        if sign in self.signs or len(self.signs) < MOST:
            self.signs[sign] = self.signs.get(sign, 0) + 1

    def take_variable(self, key, frame):
        """Count a variable, if it is not a tool that asks for it."""
        while frame is not None and self.kind_of(frame.f_code) == LIBRARY:
            frame = frame.f_back
        if frame is not None and self.kind_of(frame.f_code) == APP:
            self.count("variable", key)

    def profile(self, frame, event, arg):
        """Take a call or a return of a function, in whatever thread."""
        try:
            if event == "c_call":
                if self.depths.get(self.ident()):
                    self.count(self.verb(frame), full_name(arg))
            elif event in ("call", "return"):
                self.pass_by(frame, 1 if event == "call" else -1)
        except Exception:  # whatever an app has put in the place of what is looked at
            pass

    def pass_by(self, frame, step):
        """Take a call, or a return, of a function of Python."""
        code = frame.f_code
        kind = self.kind_of(code)
        if kind == APP:
            thread = self.ident()
            self.depths[thread] = max(0, self.depths.get(thread, 0) + step)
            if step > 0:
                self.look_into(code, frame.f_globals)
        elif kind == LIBRARY and step > 0 and self.depths.get(self.ident()):
            self.count(self.verb(frame.f_back), "%s.%s" % (frame.f_globals.get("__name__"), code.co_name))

    def verb(self, caller):
        """Tell whether a function is entered by the app itself, or reached by way of a library."""
        return "enters" if caller is not None and self.kind_of(caller.f_code) == APP else "reaches"

    def kind_of(self, code):
        """Tell whose a function is: the app's and its tests', Python's own, or a tool's."""
        kind = self.kinds.get(code)
        if kind is None:
            kind = self.kinds[code] = self.kind_of_path(code.co_filename)
        return kind

    def kind_of_path(self, path):
        """Likewise, by the file that it was read from."""
        if path.startswith(self.tools) or any(each in path for each in TOOLS):
            return TOOL
        is_own = path.startswith(("<",) + self.library)
        return LIBRARY if is_own and not any(each in path for each in self.packages) else APP

    def look_into(self, code, variables):
        """Count what a function of the app names; whether it comes that far is not known."""
        for name in code.co_names:
            self.count("names", name)
            if type(variables.get(name)) in SHARED:
                self.count("shares", "state")
        operations = frozenset(code.co_code[::2])
        if SETS & operations:
            self.count("builds", "set")
        if STORES & operations:
            self.count("stores", "global")


class Variables(type(os.environ)):
    """``os.environ``, which tells what it is asked for."""

    tell = None

    def __getitem__(self, key):
        if Variables.tell is not None and isinstance(key, str):
            Variables.tell(key, sys._getframe(1))
        return super().__getitem__(key)


def listen_to_variables(tell):
    """Have the environment tell, or no longer."""
    Variables.tell = tell
    if tell is not None and type(os.environ) is Variables.__mro__[1]:
        os.environ.__class__ = Variables


def full_name(function):
    """Return the name of a built-in function with its module, of a method with its class."""
    name = getattr(function, "__qualname__", function.__name__)
    module = getattr(function, "__module__", None)
    return "%s.%s" % (module, name) if isinstance(module, str) else name


def key_of(name):
    """Return the key by which the trace names a test."""
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:KEY]


def put(event, **values):
    """Append an event to the results, as the plug-in does."""
    values["event"] = event
    line = json.dumps(values, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"
    try:
        descriptor = os.open(RESULTS, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError:
        pass


def listener(touches):
    """Return the hooks that listen to each test."""
    import pytest

    class Listener:
        @pytest.hookimpl(hookwrapper=True)
        def pytest_runtest_protocol(self, item):
            """Listen while a test is under way, its fixtures included."""
            name = touches.prefix + item.nodeid
            touches.begin(name)
            if set(TEMPORARY).intersection(getattr(item, "fixturenames", ())):
                touches.count("uses", "tmp_path")
            yield
            touches.end(name)

        @pytest.hookimpl(hookwrapper=True)
        def pytest_fixture_setup(self, fixturedef, request):
            """Do not listen to pytest's own fixtures."""
            name = touches.prefix + request.node.nodeid
            is_tool = request.scope == "function" and touches.begin_tool(name, fixturedef.func)
            yield
            if is_tool:
                touches.end_tool(name)

    return Listener()


def listen_here():
    """Listen to this process until it ends, if a test has started it."""
    name = os.environ.get(CURRENT, "").rpartition(" (")[0]
    if name and sys.getprofile() is None:
        touches = Touches(put, "", ROOT)
        atexit.register(lambda: put("touched", id=name, signs=touches.signs))
        touches.listen()
