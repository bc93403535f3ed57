"""Compile again what scripts compiled by a Python from 3.7 to 3.10: no two builds had the same bytes.

Such a Python writes the members of a frozen set in the order of their hashes, and marks a name that something else
holds, such as a cache that goes by hashes. Packages of Debian compile with ``-E``: PYTHONHASHSEED is not looked at, and
the seed is another one in each process. Here it is 0, and each file has a process of its own, so that nothing but the
source decides. What a package ships stays as it is, and so does what lies below.

Source: bpo-37596, bpo-34093; ``py3compile`` and the scripts of python3.9 in bullseye.
"""

from pipeline.build.left_out import PACKAGES

_BEGUN = f"{PACKAGES}/begun"
"""A file that nothing touches after the scripts have begun: what is older, they did not make."""

PROGRAM = r"""
import sys
sys.path.pop(0)
import glob, importlib.util, os, py_compile

root, begun = sys.argv[1:]
MODES = {
    0: py_compile.PycInvalidationMode.TIMESTAMP,
    1: py_compile.PycInvalidationMode.UNCHECKED_HASH,
    3: py_compile.PycInvalidationMode.CHECKED_HASH,
}
LEFT = (  # it cannot be read or compiled any more: who compiled it before did not mind, either
    py_compile.PyCompileError, SyntaxError, UnicodeDecodeError, RecursionError, ValueError, KeyError, FileNotFoundError,
)

def shipped():
    for each in glob.glob(os.path.join(root, "var/lib/dpkg/info/*.list")):
        with open(each, encoding="utf-8", errors="surrogateescape") as names:
            for name in names:
                if name.endswith(".pyc\n"):
                    yield os.path.join(root, name.strip("\n").lstrip("/"))

def compiled(suffix, since):
    for folder, _, names in os.walk(os.path.join(root, "usr")):
        for name in names:
            path = os.path.join(folder, name)
            if folder.endswith("/__pycache__") and suffix in name and name.endswith(".pyc"):
                if not os.path.islink(path) and os.stat(path).st_ctime_ns >= since:
                    yield path

def again(path):
    with open(path, "rb") as file:
        content = file.read()
    name = os.path.basename(path)
    level = 2 if ".opt-2." in name else 1 if ".opt-1." in name else 0
    mode = MODES[int.from_bytes(content[4:8], "little")]
    source = importlib.util.source_from_cache(path)
    py_compile.compile(source, path + ".new", source, True, level, mode)
    with open(path + ".new", "rb") as file:
        new = file.read()
    if new == content:
        os.unlink(path + ".new")
        return
    was = os.stat(path)
    os.chown(path + ".new", was.st_uid, was.st_gid)
    os.chmod(path + ".new", was.st_mode & 0o7777)
    os.replace(path + ".new", path)

def ended():
    if os.wait()[1]:
        sys.exit("byte-code could not be compiled again")

left = set(shipped())
free = len(os.sched_getaffinity(0))
since = os.stat(os.path.join(root, begun)).st_ctime_ns
for path in sorted(set(compiled("." + sys.implementation.cache_tag + ".", since)) - left):
    if free:
        free -= 1
    else:
        ended()
    if os.fork() == 0:
        code = 1
        try:
            again(path)
            code = 0
        except LEFT:
            code = 0
        except BaseException as error:
            sys.stderr.write("%a: %r\n" % (path, error))
        finally:
            os._exit(code)
while True:
    try:
        ended()
    except ChildProcessError:
        break
"""
"""Takes the root of a tree and the path in it of a file that is as old as what is left."""


def before_scripts() -> str:
    """Return the lines of shell that run before the scripts of a stratum."""
    return f": > /{_BEGUN}\n"


def after_scripts() -> str:
    """Return those that run after them; they do nothing where no such Python is."""
    return (
        "for each in /usr/bin/python3.[7-9] /usr/bin/python3.10; do\n"
        f'if [ -x "$each" ]; then PYTHONHASHSEED=0 "$each" -s -S -c \'{PROGRAM}\' / {_BEGUN}; fi\ndone\n'
    )
