"""Compile Python modules by the image's own Python, inside the native runtime: checked-hash, the same bytes each time.

A file of byte-code names its source's hash, not its time: clamped times cannot make it stale, and after an edit the new
source runs (unchecked ones ran the old code, measured).

Source: PEP 552.
"""

import io
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.declare.errors import BuildError
from runtime.backends.native.backend import NativeBackend
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.archive import Limits, read_content, read_entries
from runtime.oci.tar import Kind
from runtime.outcome import Outcome
from runtime.plan import GIB, OUT, Plan, User

DEBIAN_PYTHON = "/usr/bin/python3"
"""Where Debian's Python is."""

_RESULTS = f"{OUT}/bytecode.tar.gz"
_DEADLINE = 600_000

# Runs inside the image under whatever Python 3 it has. Templates and sources of other versions do not compile: they are
# left as they are, as every installer does.
_PROGRAM = """
import sys
sys.path.pop(0)
import io, os, py_compile, tarfile
site, out = sys.argv[1:]
with tarfile.open(out, "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as archive:
    for folder, names, files in os.walk(site):
        names.sort()
        for name in sorted(files):
            source = os.path.join(folder, name)
            if not name.endswith(".py") or os.path.islink(source):
                continue
            target = os.path.join(folder, "__pycache__", name[:-3] + "." + sys.implementation.cache_tag + ".pyc")
            try:
                py_compile.compile(
                    source, "/.seatrial/out/one.pyc", source, True,
                    invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
                )
            except (py_compile.PyCompileError, SyntaxError, UnicodeDecodeError, RecursionError):
                continue
            with open("/.seatrial/out/one.pyc", "rb") as file:
                content = file.read()
            entry = tarfile.TarInfo(os.path.relpath(target, site))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
"""


def compile_bytecode(
    layers: Sequence[Path], site: str, *, interpreter: str = DEBIAN_PYTHON, architecture: str = ""
) -> Iterator[tuple[str, bytes]]:
    """Yield the byte-code of all modules in a folder of an image.

    Args:
        layers: unpacked layers, the lowest first; the last may be under way. None of them is changed.
        site: absolute path of the folder in the image.
        interpreter: the Python that will import the modules.
        architecture: of the image, where it is not this machine's.

    Yields:
        The path relative to ``site``, sorted by folder, and the content. A source that does not compile yields nothing.

    Raises:
        BuildError: there is no such Python in the image, or it failed.
    """
    with (
        NativeBackend(lambda _: tuple(layers)) as backend,
        backend.start(_plan(site, interpreter, architecture), evidence=False) as run,
    ):
        outcome = run.wait()
    if outcome.exit_code != 0 or outcome.results is None:
        raise BuildError(f"{interpreter} of the image did not compile the modules in {site}: {_last_words(outcome)}")
    yield from _members(_inflated(outcome.results))


def _plan(site: str, interpreter: str, architecture: str) -> Plan:
    bare = Plan(
        image=Digest.of(b""),
        suite=None,
        argv=(interpreter, "-s", "-S", "-c", _PROGRAM, site, _RESULTS),
        workdir="/",
        environment={},
        user=User(uid=0, gid=0, home="/root"),
        capabilities=(),
        deadline=_DEADLINE,
        results=_RESULTS,
    )
    cpus = str(min(2, len(os.sched_getaffinity(0))))
    plan = Host(name="build", factors={"user": "root", "cpus": cpus}).apply(bare)
    # Before 3.11 the order of a frozen set in byte-code follows the hashes of its members; with -I none looks here.
    environment = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
    return replace(plan, environment=environment, architecture=architecture)


def _inflated(packed: bytes) -> bytes:
    state = zlib.decompressobj(31)
    content = state.decompress(packed, GIB)
    if not state.eof:
        raise BuildError(f"the byte-code of the modules takes more than {GIB} bytes, or was cut")
    return content


def _members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    source = io.BytesIO(archive)
    for entry in read_entries(source, Limits(total=GIB)):
        content = b"".join(read_content(source, entry.size))
        if entry.kind is not Kind.FILE or not entry.path.endswith(b".pyc"):
            raise BuildError(f"compiling made {os.fsdecode(entry.path)!r}, which is no byte-code")
        yield os.fsdecode(entry.path), content


def _last_words(outcome: Outcome) -> str:
    return outcome.stderr.content[-1500:].decode("utf-8", errors="replace").strip() or f"exit {outcome.exit_code}"
