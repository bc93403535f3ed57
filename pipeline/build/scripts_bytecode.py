r"""What the scripts of packages compile for Python is compiled when all of them have run, by two processes.

The script of each package starts ``py3compile``, that a Python, and that one more; the modules of Python itself are
compiled by one process after the other. Here each only writes down what it is asked for. Afterwards ``py3compile``
says, in one process and by its own code, which files that means, and they are compiled as it would have: by the image's
own Python, with the same options. How many processors there are does not matter: the processes are always two.

Only what Debian's tools write into a script is put off: a script that goes on where compiling failed, or means a path
that is relative, or is not root any more, has it done at once. So has one of a Python before 3.11; since then byte-code
is its source's alone, whatever its process compiled before, and ``old_bytecode`` is for what is older. Another
``py3compile`` than the one that this was written after is left alone.

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
"""What is compiled: the interpreter, its level of optimization, the package, and the source."""

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
                listed.write("%s\\t%d\\t%s\\t%s\\n" % (sys.executable, sys.flags.optimize, package, each))
        sys.exit()
    sys.dont_write_bytecode = False
"""
"""Stands before the module ``py_compile`` while scripts run: who imports it finds it as it is."""

ANSWER = r"""
import sys
sys.path.pop(0)
import importlib.machinery, importlib.util
path, asked, listed = sys.argv[1:]
loader = importlib.machinery.SourceFileLoader("py3compile", path)
program = importlib.util.module_from_spec(importlib.util.spec_from_loader("py3compile", loader))
loader.exec_module(program)
out = open(listed, "a", encoding="utf-8", errors="surrogateescape")

def py_compile(version, optimize, workers):
    name = version if isinstance(version, str) else program.vrepr(version)
    while True:
        out.write("/usr/bin/python%s\t%d\t%s\t%s\n" % (name, bool(optimize), package, (yield)))

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
out.close()
"""
"""Takes the path of ``py3compile``, what it was called with, and where to write down which files that means."""

COMPILE = r"""
import sys
sys.path.pop(0)
import argparse, os, py_compile
sys.pycache_prefix = None

with open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as listed:
    calls = dict.fromkeys(tuple(line[:-1].split("\t", 3)) for line in listed)
own = [each[1:] for each in calls if each[0] == sys.argv[2]]
for number in range(2):
    if os.fork() == 0:
        code = 1
        try:
            for optimize, package, source in own[number::2]:
                if os.path.exists(source):
                    py_compile.compile(source, doraise=True, optimize=int(optimize))
            code = 0
        except BaseException as error:
            sys.stderr.write("%s: %s: %s\n" % (package, source, error or repr(error)))
        finally:
            sys.stderr.flush()
            os._exit(code)
for status in [os.wait()[1] for _ in range(2)]:
    if os.WIFSIGNALED(status):
        sys.stderr.write("compiling byte-code ended by signal %d\n" % os.WTERMSIG(status))
    if status:
        sys.exit(1)
"""
"""Takes what is compiled, and which interpreter it is run by, and compiles what is that one's.

Since 3.13 the byte-code of a module shows whether the process has loaded it, and from what. Here that is always what
the program ``py_compile`` loads, and from the sources, as in its first run.
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
if [ -e {_ASKED} ]; then /usr/bin/python3 -s -c '{ANSWER}' {_PY3COMPILE} {_ASKED} {_LISTED}; fi
if [ -e {_LISTED} ]; then
cut -f 1 {_LISTED} | sort -u | while read each; do
"$each" -s -S {_FROM_SOURCES} -c '{COMPILE}' {_LISTED} "$each" || exit 1
done
fi
"""


def _modules(packages: Collection[str]) -> list[str]:
    """Return the paths of ``py_compile`` that packages bring."""
    found = (_MINIMAL.fullmatch(each) for each in sorted(packages))
    return [f"/usr/lib/python{each[1]}/py_compile.py" for each in found if each]
