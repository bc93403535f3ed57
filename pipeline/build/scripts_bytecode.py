r"""What the scripts of packages compile for Python is compiled when all of them have run, by two processes.

The script of each package starts ``py3compile``, that a Python, and that one more; the modules of Python itself are
compiled by one process after the other. Here each only writes down what it is asked for. Afterwards ``py3compile``
says, in one process and by its own code, which files that means, and they are compiled as it would have: by the image's
own Python, with the same options. How many processors there are does not matter: the processes are always two.

This is for Python 3.11 and newer, whose byte-code is its source's alone, whatever its process compiled before; see
``old_bytecode`` for what is older. Another ``py3compile`` than the one that this was written after is left alone.

Source: Debian's python3-minimal, ``py3compile``; the scripts of libpython3.X-minimal and libpython3.X-stdlib.
"""

import re
from collections.abc import Collection

from pipeline.build.left_out import PACKAGES

_FOLDER = f"/{PACKAGES}/byte-code"
_PATH = f"{_FOLDER}/bin"
_ASKED = f"{_FOLDER}/asked"
"""What ``py3compile`` is called with: a line for each argument, and one that ends a call."""

_LISTED = f"{_FOLDER}/listed"
"""What is compiled: the interpreter, its level of optimization, and the source."""

_END = "/\t/"
_PY3COMPILE = "/usr/bin/py3compile"
_KNOWN = "def py_compile(version, optimize, workers):"
_MINIMAL = re.compile(r"libpython(3\.(?:1[1-9]|[2-9][0-9]))-minimal")

_ASK = f"""#!/bin/sh
for each in "$@" "{_END}"; do printf '%s\\n' "$each" >> {_ASKED}; done
"""

_LIST = f"""import sys
if __name__ == "__main__" and (sys.argv[1:] == ["-"] or not any(each.startswith("-") for each in sys.argv[1:])):
    with open("{_LISTED}", "a", encoding="utf-8", errors="surrogateescape") as listed:
        for each in sys.stdin if sys.argv[1:] == ["-"] else sys.argv[1:]:
            listed.write("%s\\t%d\\t%s\\n" % (sys.executable, sys.flags.optimize, each.rstrip("\\n")))
    sys.exit()
"""
"""Stands before the module ``py_compile`` while scripts run: who imports it finds it as it is."""

ANSWER = r"""
import importlib.machinery, importlib.util, sys
path, asked, listed = sys.argv[1:]
END = "/\t/"
loader = importlib.machinery.SourceFileLoader("py3compile", path)
program = importlib.util.module_from_spec(importlib.util.spec_from_loader("py3compile", loader))
loader.exec_module(program)
out = open(listed, "a", encoding="utf-8", errors="surrogateescape")

def py_compile(version, optimize, workers):
    name = version if isinstance(version, str) else program.vrepr(version)
    while True:
        out.write("/usr/bin/python%s\t%d\t%s\n" % (name, bool(optimize), (yield)))

program.py_compile = py_compile
sys.argv[1:] = []
for line in open(asked, encoding="utf-8", errors="surrogateescape"):
    if line != END + "\n":
        sys.argv.append(line[:-1])
        continue
    program.STDINS.clear()
    try:
        program.main()
    except SystemExit as end:
        if end.code:
            sys.exit("py3compile %s failed" % " ".join(sys.argv[1:]))
    sys.argv[1:] = []
out.close()
"""
"""Takes the path of ``py3compile``, what it was called with, and where to write down which files that means."""

COMPILE = r"""
import sys
sys.path.pop(0)
import argparse, os, py_compile  # the first as the program py_compile does: since 3.13 its own byte-code shows it

with open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as listed:
    calls = dict.fromkeys(tuple(line[:-1].split("\t", 2)) for line in listed)
own = [(int(optimize), source) for interpreter, optimize, source in calls if interpreter == sys.executable]
for number in range(2):
    if os.fork() == 0:
        code = 1
        try:
            for optimize, source in own[number::2]:
                py_compile.compile(source, doraise=True, optimize=optimize)
            code = 0
        except (py_compile.PyCompileError, OSError) as error:
            sys.stderr.write("%s\n" % error)
        finally:
            sys.stderr.flush()
            os._exit(code)
sys.exit(any([os.wait()[1] for _ in range(2)]))
"""
"""Takes what is compiled, and compiles what is for the interpreter that it is run by."""


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
    return f"""{restored}if [ -e {_ASKED} ]; then /usr/bin/python3 -s -c '{ANSWER}' {_PY3COMPILE} {_ASKED} {_LISTED}; fi
if [ -e {_LISTED} ]; then
cut -f 1 {_LISTED} | sort -u | while read each; do "$each" -s -S -c '{COMPILE}' {_LISTED} || exit 1; done
fi
"""


def _modules(packages: Collection[str]) -> list[str]:
    """Return the paths of ``py_compile`` that packages bring."""
    found = (_MINIMAL.fullmatch(each) for each in sorted(packages))
    return [f"/usr/lib/python{each[1]}/py_compile.py" for each in found if each]
