"""Programs of three architectures that write what ``uname -m`` is to them: small enough to be made here.

They call uname(2), write the 65 bytes at offset 260 of struct new_utsname (its ``machine``), and exit with 0.
"""

import struct

_EXECUTABLE = 2  # ET_EXEC, elf.h
_BASE = 0x400000
_HEADER = 64 + 56  # an ELF header and one program header
_ROWS = {
    "amd64": (
        "<",
        62,
        (
            "4881ec90010000"  # sub $400, %rsp
            "4889e7"  # mov %rsp, %rdi
            "b83f000000 0f05"  # mov $63, %eax; syscall: uname
            "488db42404010000"  # lea 260(%rsp), %rsi
            "ba41000000 bf01000000"  # mov $65, %edx; mov $1, %edi
            "b801000000 0f05"  # mov $1, %eax; syscall: write
            "31ff b83c000000 0f05"
        ),  # xor %edi, %edi; mov $60, %eax; syscall: exit
    ),
    "arm64": (
        "<",
        183,
        (
            "ff4306d1 e0030091"  # sub sp, sp, #400; mov x0, sp
            "081480d2 010000d4"  # mov x8, #160; svc #0: uname
            "e1130491 220880d2 200080d2"  # add x1, sp, #260; mov x2, #65; mov x0, #1
            "080880d2 010000d4"  # mov x8, #64; svc #0: write
            "000080d2 a80b80d2 010000d4"
        ),  # mov x0, #0; mov x8, #93; svc #0: exit
    ),
    "s390x": (
        ">",
        22,
        (
            "a7fbfdd0 4120f0a0 0a7a"  # aghi %r15, -560; la %r2, 160(%r15); svc 122: uname
            "a7290001 4130f1a4 a7490041 0a04"  # lghi %r2, 1; la %r3, 420(%r15); lghi %r4, 65; svc 4: write
            "a7290000 0a01"
        ),  # lghi %r2, 0; svc 1: exit
    ),
}


def witness(architecture):
    """Return the program of an architecture: one segment behind the smallest header that the kernel takes."""
    return program(architecture, _ROWS[architecture][2])


def program(architecture, text):
    """Return a program of an architecture that consists of these instructions, hexadecimal."""
    order, machine, _ = _ROWS[architecture]
    code = bytes.fromhex(text)
    size = _HEADER + len(code)
    identity = b"\x7fELF" + bytes((2, 2 if order == ">" else 1, 1)) + bytes(9)
    fields = (_EXECUTABLE, machine, 1, _BASE + _HEADER, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    header = identity + struct.pack(f"{order}HHIQQQIHHHHHH", *fields)
    segment = struct.pack(f"{order}IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x10000)  # PT_LOAD, PF_R | PF_X
    return header + segment + code
