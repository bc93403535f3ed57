"""The kernel's door: raw system calls by ctypes, with every failure an ``OSError`` that names the call.

Numbers and constants are literal, with the header's name beside them: a name looked up at run time could be missing,
and a wrong default would be a hole. Source: Linux include/uapi/, arch/x86/entry/syscalls/syscall_64.tbl and
include/uapi/asm-generic/unistd.h (aarch64).
"""

import ctypes
import os

# From 424 on all architectures have the same numbers.
_COMMON = {"open_tree": 428, "move_mount": 429, "clone3": 435, "openat2": 437, "mount_setattr": 442}
_NUMBERS = {
    "x86_64": {
        **_COMMON,
        "rt_sigaction": 13,
        "newfstatat": 262,
        "statx": 332,
        "pivot_root": 155,
        "capset": 126,
        "seccomp": 317,
        "finit_module": 313,
    },
    "aarch64": {
        **_COMMON,
        "rt_sigaction": 134,
        "newfstatat": 79,
        "statx": 291,
        "pivot_root": 41,
        "capset": 91,
        "seccomp": 277,
        "finit_module": 273,
    },
}

MACHINE = os.uname().machine

# CDLL releases the interpreter lock around a call, PyDLL keeps it: a clone must keep it, or the child would be born
# without the lock it needs to run Python.
_LIBC = ctypes.CDLL(None, use_errno=True)
_LOCKED = ctypes.PyDLL(None, use_errno=True)


def number(name: str) -> int:
    """Return the number of a system call on this machine.

    Raises:
        OSError: this machine's architecture is not known (ENOSYS).
    """
    table = _NUMBERS.get(MACHINE)
    if table is None:
        raise OSError(38, f"the native runtime knows x86_64 and aarch64, not {MACHINE}")  # ENOSYS
    return table[name]


def call(name: str, *arguments: object) -> int:
    """Call a function of libc, or a system call by number where libc has no function for it.

    Args:
        name: such as ``mount``.
        arguments: integers are passed as unsigned long, bytes as pointers, None as NULL.

    Raises:
        OSError: the call failed; the message names it.
    """
    raw = any(name in table for table in _NUMBERS.values())
    words = [_word(each) for each in arguments]
    result = _LIBC.syscall(ctypes.c_long(number(name)), *words) if raw else getattr(_LIBC, name)(*words)
    if result == -1:
        raise failure(name, arguments)
    return int(result)


def call_locked(name: str, *arguments: object) -> int:
    """Make a raw system call without releasing the interpreter lock; for ``clone3``."""
    result = int(_LOCKED.syscall(ctypes.c_long(number(name)), *(_word(each) for each in arguments)))
    if result == -1:
        raise failure(name, arguments)
    return result


def failure(name: str, arguments: tuple[object, ...]) -> OSError:
    """Return the error of the call that has failed last, naming what it was called with."""
    code = ctypes.get_errno()
    shown = ", ".join(_shown(each) for each in arguments)
    return OSError(code, f"{os.strerror(code)}: {name}({shown})")


def _word(argument: object) -> object:
    return ctypes.c_ulong(argument) if isinstance(argument, int) else argument


def _shown(argument: object) -> str:
    match argument:
        case None:
            return "NULL"
        case bytes():
            text = os.fsdecode(argument)
            return text[:200] if text.isprintable() else "…"
        case int():
            return str(argument)
        case _:
            return "…"
