"""The first files of a guest: the Python that runs us, what the guest's program imports, and the kernel's modules.

They lie where they lie on this machine, so that every path in them is right. Modules are compiled here: a guest that is
emulated would take seconds for it.
"""

import importlib.util
import json
import marshal
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from runtime.backends.qemu.cpio import Item
from runtime.backends.qemu.guest import MODULES
from runtime.backends.qemu.kernel import Kernel, modules_in_order
from runtime.errors import BackendError

# Asked in a Python of its own: what this process has loaded beside it is of no interest.
_ASK = """
import sys
sys.path.insert(0, sys.argv[1])
import difflib, encodings.ascii, encodings.latin_1, importlib, importlib.resources, json, pkgutil
import runtime.backends.native, runtime.backends.qemu.guest, runtime.factors
for package in (runtime.factors, runtime.backends.native):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
importlib.resources.files("runtime").joinpath("py.typed").read_text()
files = {name: module.__file__ for name, module in sys.modules.items() if getattr(module, "__file__", None)}
mapped = {line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if ".so" in line}
json.dump([files, sorted(mapped), sys.prefix, sys.exec_prefix], sys.stdout)
"""
_PACKAGE = "runtime"
_UNCHECKED = 1  # flags of a .pyc that is never compared with a source; PEP 552
_FOLDERS = ("dev", "proc", "sys", "tmp", "run", "seatrial/root", "seatrial/layers", MODULES.strip("/"))
_INIT = "import sys; sys.path.insert(0, {home!r}); from runtime.backends.qemu.guest import main; main()\n"
_LONGEST_LINE = 127  # linux/binfmts.h: BINPRM_BUF_SIZE before Linux 5.1, less its end
_FILE = stat.S_IFREG | 0o644
_EXECUTABLE = stat.S_IFREG | 0o755
_PT_INTERP = 3  # linux/elf.h
_TABLE = ((32, 8), (54, 2), (56, 2))  # e_phoff, e_phentsize, e_phnum of an ELF header of 64 bits: where, and how long


def first_files(kernel: Kernel) -> Iterator[Item]:
    """Yield the first files for a kernel.

    Raises:
        BackendError: this Python cannot be packed.
    """
    home = str(Path(__file__).resolve().parents[3])
    interpreter = os.path.realpath(sys.executable)
    yield from _program(interpreter, home)
    for number, path in enumerate(modules_in_order(kernel)):
        yield Item(path=f"{MODULES}/{number:02}-{path.name}".strip("/"), mode=_FILE, content=path.read_bytes())
    for each in _FOLDERS:
        yield Item(path=each, mode=stat.S_IFDIR | 0o755)


def _program(interpreter: str, home: str) -> Iterator[Item]:
    files, mapped, prefixes = _ask(interpreter, home)
    line = f"#!{interpreter} -IS"
    if len(line) > _LONGEST_LINE:
        raise BackendError(f"the path of this Python is too long for the first line of a script: {interpreter}")
    yield Item(path="init", mode=_EXECUTABLE, content=f"{line}\n{_INIT.format(home=home)}".encode())
    loader = elf_interpreter(Path(interpreter).read_bytes())
    for path in {interpreter, loader, *mapped}:
        yield from _shared(path)
    for source in sorted(files.values()):
        yield _module(source)
    yield from _data(Path(home, _PACKAGE))
    for prefix in prefixes:  # where Python looks for itself, even if nothing lies there
        library = f"{prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}/lib-dynload"
        yield Item(path=library.strip("/"), mode=stat.S_IFDIR | 0o755)


def _ask(interpreter: str, home: str) -> tuple[dict[str, str], list[str], list[str]]:
    """Return the files of all modules that the guest's program loads, the libraries, and Python's own folders."""
    asked = subprocess.run(  # noqa: S603 - our own interpreter and our own code
        [interpreter, "-I", "-S", "-c", _ASK, home], capture_output=True, text=True, check=False, env={}
    )
    if asked.returncode:
        raise BackendError(f"cannot find what a virtual machine needs of this Python: {asked.stderr[-500:]}")
    files, mapped, *prefixes = json.loads(asked.stdout)
    return files, mapped, prefixes


def _shared(path: str) -> Iterator[Item]:
    """Yield a library or program where it lies, and the links beside it by which the loader may look for it."""
    real = os.path.realpath(path)
    yield Item(path=real.strip("/"), mode=_EXECUTABLE, content=Path(real).read_bytes())
    if path != real:
        yield Item(path=path.strip("/"), mode=stat.S_IFLNK | 0o777, content=real.encode())
    folder, name = os.path.split(real)
    stem = name.partition(".so")[0]
    for each in sorted(os.listdir(folder)):  # noqa: PTH208 - names only
        link = f"{folder}/{each}"
        if each.startswith(stem) and each != name and os.path.islink(link) and os.path.realpath(link) == real:  # noqa: PTH114
            yield Item(path=link.strip("/"), mode=stat.S_IFLNK | 0o777, content=real.encode())


def _module(source: str) -> Item:
    """Return a module as Python runs it without its source; what is no Python as it is."""
    path = Path(source)
    if path.suffix != ".py":
        return Item(path=source.strip("/"), mode=_FILE, content=path.read_bytes())
    code = compile(path.read_bytes(), source, "exec", dont_inherit=True)
    head = importlib.util.MAGIC_NUMBER + _UNCHECKED.to_bytes(4, "little") + bytes(8)
    return Item(path=f"{source}c".strip("/"), mode=_FILE, content=head + marshal.dumps(code))


def _data(package: Path) -> Iterator[Item]:
    for path in sorted(package.rglob("*.json")):
        yield Item(path=str(path).strip("/"), mode=_FILE, content=path.read_bytes())


def elf_interpreter(program: bytes) -> str:
    """Return the path of the dynamic loader that a program asks for.

    Raises:
        BackendError: it asks for none.

    Source: elf(5).
    """
    if program[:4] == b"\x7fELF" and program[4] == 2:
        table, size, count = (int.from_bytes(program[at : at + width], "little") for at, width in _TABLE)
        for number in range(count):
            head = program[table + number * size :][:size]
            if int.from_bytes(head[:4], "little") == _PT_INTERP:
                start, length = (int.from_bytes(head[at : at + 8], "little") for at in (8, 32))
                return program[start : start + length].rstrip(b"\0").decode()
    raise BackendError("the program of this Python is not linked as programs of Linux are")
