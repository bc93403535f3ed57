r"""What the scripts of packages compile for Python is compiled when all of them have run, two calls at a time.

The script of each package starts ``py3compile``, and that a Python; the modules of Python itself are compiled by one
process after the other. Here each only writes down what it is asked for. Afterwards ``py3compile`` says, in one process
and by its own code, which files that means, and they are compiled as it would have: by the image's own Python, with the
same options, never those of two calls by one process. For the same source can give other byte-code: Python marks in it
what something else in the process holds, too. So a call's is its package's own, whatever others are there; that of a
long one is divided into pieces of a fixed length.

Only what Debian's tools write into a script is put off: a script that goes on where compiling failed, or means a path
that is relative, or is not root any more, has it done at once. So has one of a Python before 3.11, for which there is
``old_bytecode``. Another ``py3compile`` than the one that this was written after is left alone.

Source: Debian's python3-minimal, ``py3compile``; dh_python3; the scripts of python3.X-minimal and python3.X.
"""

import re
from collections.abc import Collection

from pipeline.build.left_out import PACKAGES

_FOLDER = f"/{PACKAGES}/byte-code"
_PATH = f"{_FOLDER}/bin"
_ASKED = f"{_FOLDER}/asked"
"""What ``py3compile`` was called with: the package, a line for each argument, and one that ends a call."""

_LISTED = f"{_FOLDER}/listed"
"""What is compiled of Python itself: interpreter, level of optimization, and source; an empty line ends a call."""

_PY3COMPILE = "/usr/bin/py3compile"
_KNOWN = "def py_compile(version, optimize, workers):"
_MINIMAL = re.compile(r"libpython(3\.(?:1[1-9]|[2-9][0-9]))-minimal")

_ASK = rf"""#!/bin/sh
# Asked by what dh_python3 writes into a script, and nothing else there: written down. Otherwise: done.
program='[[:blank:]]*py3compile -p [a-z0-9.+-]+( -V [0-9.-]+| /[A-Za-z0-9/._+~-]*)*[[:blank:]]*'
condition='[[:blank:]]*if (command -v|which) py3compile >/dev/null 2>&1; then[[:blank:]]*'
script=/var/lib/dpkg/info/$DPKG_MAINTSCRIPT_PACKAGE.postinst
[ -e "$script" ] || script=/var/lib/dpkg/info/$DPKG_MAINTSCRIPT_PACKAGE:$DPKG_MAINTSCRIPT_ARCH.postinst
if [ "$DPKG_MAINTSCRIPT_NAME" = postinst ] && [ "$(id -u)" = 0 ] && grep -qx 'set -e' "$script" &&
  grep -qxE "$program" "$script" && ! grep -w py3compile "$script" | grep -qvxE "$program|$condition"
then printf '%s\n' "$DPKG_MAINTSCRIPT_PACKAGE" "$@" '/	/' >> {_ASKED}
else exec {_PY3COMPILE} "$@"
fi
"""

_LIST = f"""import sys
if __name__ == "__main__" and sys.flags.ignore_environment and all(each.startswith("/") for each in sys.argv):
    sys.dont_write_bytecode = True
    import os
    package = os.environ.get("DPKG_MAINTSCRIPT_PACKAGE", "")
    name = package.removeprefix("lib").removesuffix("-minimal").removesuffix("-stdlib")
    if name == "python%d.%d" % sys.version_info[:2] and sys.argv[1:] and os.geteuid() == 0:
        with open("{_LISTED}", "a", encoding="utf-8", errors="surrogateescape") as listed:
            for each in sys.argv[1:]:
                listed.write("%s\\t%d\\t%s\\n" % (sys.executable, sys.flags.optimize, each))
            listed.write("\\n")
        sys.exit()
    sys.dont_write_bytecode = False
"""
"""Stands before the module ``py_compile`` while scripts run: who imports it finds it as it is."""

ANSWER = r"""
import sys
sys.path.pop(0)
import importlib.machinery, importlib.util, os

path, asked = sys.argv[1:]
loader = importlib.machinery.SourceFileLoader("py3compile", path)
program = importlib.util.module_from_spec(importlib.util.spec_from_loader("py3compile", loader))
loader.exec_module(program)
work = []

def py_compile(version, optimize, workers):
    name = version if isinstance(version, str) else program.vrepr(version)
    sources = []
    work.append((package, ["/usr/bin/python" + name, *["-O"][:bool(optimize)], "-m", "py_compile", "-"], sources))
    while True:
        sources.append((yield))

program.py_compile = py_compile
call = []
for line in open(asked, encoding="utf-8", errors="surrogateescape"):
    if line != "/\t/\n":
        call.append(line[:-1])
        continue
    package, *sys.argv[1:] = call
    sys.argv[0] = "py3compile"
    call = []
    program.STDINS.clear()
    try:
        program.main()
    except SystemExit as end:
        if end.code:
            sys.exit("%s: %s failed" % (package, " ".join(sys.argv)))

def start(command, sources):
    names = asked + ".sources"
    with open(names, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(each + "\n" for each in sources)
    opened = os.open(names, os.O_RDONLY)  # before the name is gone: an emulator does not wait for the other process
    os.unlink(names)
    started = os.posix_spawn(command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, opened, 0)])
    os.close(opened)
    return started

MOST = 100
pieces = [
    (number, command, sources[first : first + MOST])
    for number, (_, command, sources) in enumerate(work)
    for first in range(0, len(sources), MOST)
]
running, failed = {}, set()
while pieces or running:
    if len(running) == 2 or not pieces:
        process, status = os.wait()
        ended = running.pop(process)
        if status:
            failed.add(ended)
    if pieces:
        number, command, sources = pieces.pop(0)
        running[start(command, sources)] = number
if failed:
    sys.exit("\n".join("compiling the byte-code of %s failed" % work[each][0] for each in sorted(failed)))
"""
"""Takes the path of ``py3compile`` and what it was called with, and compiles which files that means.

It imports nothing that ``py3compile`` does not: the modules of python3.X-minimal may be all that there are.
"""

COMPILE = r"""
import sys
sys.path.pop(0)
import argparse, os, py_compile
sys.pycache_prefix = None

def ended():
    status = os.wait()[1]
    if os.WIFSIGNALED(status):
        sys.stderr.write("compiling byte-code ended by signal %d\n" % os.WTERMSIG(status))
    if status:
        sys.exit(1)

def compiled(sources, optimize):
    for source in sources:
        try:
            if os.path.exists(source):
                py_compile.compile(source, doraise=True, optimize=optimize)
        except BaseException as error:
            sys.stderr.write("%s: %s\n" % (source, error or repr(error)))
            sys.stderr.flush()
            return 1
    return 0

calls = [{}]
with open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as listed:
    for line in listed:
        if line == "\n":
            calls.append({})
            continue
        interpreter, optimize, source = line[:-1].split("\t", 2)
        if interpreter == sys.argv[2]:
            calls[-1].setdefault(int(optimize), []).append(source)
running = 0
MOST = 100
for optimize, sources in [each for call in calls for each in call.items()]:
    for first in range(0, len(sources), MOST):
        if running == 2:
            ended()
            running -= 1
        if os.fork() == 0:
            os._exit(compiled(sources[first : first + MOST], optimize))
        running += 1
for _ in range(running):
    ended()
"""
"""Takes what is compiled of Python itself, and which interpreter it is run by, and compiles what is that one's.

Byte-code shows which modules the process has loaded, too, and since 3.13 from what. Here that is always what the
program ``py_compile`` loads, and from the sources, as in its first run.
"""

_FROM_SOURCES = f"-X pycache_prefix={_FOLDER}/none"


def before_scripts(packages: Collection[str]) -> str:
    """Return the lines of shell that run before the scripts of packages, when their files are there."""
    lines = f"""mkdir -p {_PATH}
case "$(readlink /usr/bin/python3)" in python3.1[1-9]|python3.[2-9][0-9])
if [ ! -e {_PATH}/py3compile ] && grep -qxF '{_KNOWN}' {_PY3COMPILE}; then
cat > {_PATH}/py3compile <<'END'
{_ASK}END
chmod 755 {_PATH}/py3compile
export PATH={_PATH}:$PATH
fi
esac
"""
    for path in _modules(packages):
        lines += f"""if [ -f {path} ]; then
mv {path} {path}.kept
cat - {path}.kept > {path} <<'END'
{_LIST}END
fi
"""
    return lines


def after_scripts(packages: Collection[str]) -> str:
    """Return those that run after them, and compile what they asked for.

    Args:
        packages: all whose scripts have run.
    """
    restored = "".join(f"if [ -e {each}.kept ]; then mv {each}.kept {each}; fi\n" for each in _modules(packages))
    return f"""{restored}PATH=${{PATH#{_PATH}:}}
if [ -e {_LISTED} ]; then
cut -f 1 {_LISTED} | sort -u | while read each; do
if [ "$each" ]; then "$each" -s -S {_FROM_SOURCES} -c '{COMPILE}' {_LISTED} "$each" || exit 1; fi
done
fi
if [ -e {_ASKED} ]; then /usr/bin/python3 -s -c '{ANSWER}' {_PY3COMPILE} {_ASKED}; fi
"""


def _modules(packages: Collection[str]) -> list[str]:
    """Return the paths of ``py_compile`` that packages bring."""
    found = (_MINIMAL.fullmatch(each) for each in sorted(packages))
    return [f"/usr/lib/python{each[1]}/py_compile.py" for each in found if each]
