"""Two judges of a filter of system calls: an interpreter of its instructions, and libseccomp, which builds its own."""

import ctypes
import errno
import functools
import os
import struct
import tempfile

TOKENS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # seccomp.h: SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64
ONES = 2**64 - 1
HALF = 2**32 - 1

# seccomp.h
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NOTIFY, ACTION = 0x7FC00000, 0xFFFF0000
ON_FOREIGN_CALL = 2  # SCMP_FLTATR_ACT_BADARCH
MASKED_EQUAL = 7  # SCMP_CMP_MASKED_EQ


class Comparison(ctypes.Structure):
    """``struct scmp_arg_cmp``."""

    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    ]


class Library:
    """libseccomp, building one filter; ``found`` is what ``library`` gives."""

    def __init__(self, machine, found, default=ERRNO | errno.ENOSYS):
        self.machine = machine
        self.library = found
        self.unnamed = []
        self.context = ctypes.c_void_p(found.seccomp_init(ctypes.c_uint32(default)))
        self.do("seccomp_attr_set", ON_FOREIGN_CALL, ctypes.c_uint32(KILL_PROCESS))
        native, wanted = found.seccomp_arch_native(), TOKENS[machine]
        if native != wanted:
            self.do("seccomp_arch_add", ctypes.c_uint32(wanted))
            self.do("seccomp_arch_remove", ctypes.c_uint32(native))

    def do(self, function, *arguments):
        done = getattr(self.library, function)(self.context, *arguments)
        assert done == 0, f"{function}{arguments}: {os.strerror(-done)}"

    def rule(self, name, action, *comparisons):
        found = self.library.seccomp_syscall_resolve_name(name.encode())  # the native number stands for the name
        if found == -1:
            self.unnamed.append(name)
            return
        self.number(found, action, *comparisons)

    def number(self, number, action, *comparisons):
        array = (Comparison * len(comparisons))(*comparisons)
        self.do("seccomp_rule_add_array", ctypes.c_uint32(action), number, len(comparisons), array)

    def export(self):
        with tempfile.TemporaryFile() as file:
            self.do("seccomp_export_bpf", file.fileno())
            file.seek(0)
            return file.read()


def decide(program, arch, number, words):
    """Interpret a filter as the kernel does; return its 32 bits."""
    data = struct.unpack("<16I", struct.pack("<IIQ6Q", number, arch, 0, *words))
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x15:
            at += if_true if accumulator == value else if_false
        elif code == 0x35:
            at += if_true if accumulator >= value else if_false
        elif code == 0x25:
            at += if_true if accumulator > value else if_false
        elif code == 0x45:
            at += if_true if accumulator & value else if_false
        elif code == 0x20:
            accumulator = data[value // 4]
        elif code == 0x54:
            accumulator &= value
        elif code == 0x05:
            at += value
        elif code == 0x06:
            return value
        else:
            raise AssertionError(f"instruction {code:#x}")


def lines_of(program):
    return list(struct.iter_unpack("<HBBI", program))


@functools.cache
def library():
    try:
        found = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    found.seccomp_init.restype = ctypes.c_void_p
    found.seccomp_arch_native.restype = ctypes.c_uint32
    return found
