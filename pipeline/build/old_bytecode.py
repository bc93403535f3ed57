"""Compile again what scripts compiled by a Python before 3.11: no two builds had the same bytes.

Such a Python writes the members of a frozen set in the order of their hashes, and marks a name that something else
holds, such as a cache that goes by hashes. Packages of Debian compile with ``-E``: PYTHONHASHSEED is not looked at, and
the seed is another one in each process. Here it is 0, and each file has a process of its own, so that nothing but the
source decides. What a package ships stays as it is.

Source: bpo-37596, bpo-34093; ``py3compile`` and the scripts of python3.9 in bullseye.
"""

_PROGRAM = r"""
import sys
sys.path.pop(0)
import glob, importlib.util, os, py_compile

MODES = {
    0: py_compile.PycInvalidationMode.TIMESTAMP,
    1: py_compile.PycInvalidationMode.UNCHECKED_HASH,
    3: py_compile.PycInvalidationMode.CHECKED_HASH,
}

def shipped():
    for each in glob.glob("/var/lib/dpkg/info/*.list"):
        with open(each, encoding="utf-8", errors="surrogateescape") as names:
            yield from (name.rstrip("\n") for name in names if name.endswith(".pyc\n"))

def compiled(suffix, since):
    for folder, _, names in os.walk("/usr"):
        for name in names:
            path = os.path.join(folder, name)
            if folder.endswith("/__pycache__") and suffix in name and name.endswith(".pyc"):
                if not os.path.islink(path) and os.stat(path).st_ctime >= since:
                    yield path

def again(path):
    with open(path, "rb") as file:
        content = file.read()
    made = "/tmp/%d.pyc" % os.getpid()
    level = 2 if ".opt-2." in path else 1 if ".opt-1." in path else 0
    mode = MODES[int.from_bytes(content[4:8], "little")]
    source = importlib.util.source_from_cache(path)
    py_compile.compile(source, made, source, True, level, mode)
    with open(made, "rb") as file:
        new = file.read()
    os.unlink(made)
    if new != content:
        with open(path, "wb") as file:
            file.write(new)

left = set(shipped())
free = len(os.sched_getaffinity(0))
for path in sorted(compiled("." + sys.implementation.cache_tag + ".", os.stat("/debs").st_ctime)):
    if path in left:
        continue
    if free:
        free -= 1
    else:
        os.wait()
    if os.fork() == 0:
        try:
            again(path)
        finally:
            os._exit(0)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
"""
"""What cannot be read or compiled is left: the script that made it did not mind, either."""


def after_scripts() -> str:
    """Return the lines of shell that run after the scripts of a stratum; they do nothing where no such Python is."""
    return (
        "for each in /usr/bin/python3.[0-9] /usr/bin/python3.10; do\n"
        f'if [ -x "$each" ]; then PYTHONHASHSEED=0 "$each" -s -S -c \'{_PROGRAM}\'; fi\ndone\n'
    )
