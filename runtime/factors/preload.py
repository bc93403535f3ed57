"""Libraries of ours that the image's dynamic loader loads before all others.

They are named in /etc/ld.so.preload of the run's own tree: no variable shows them, and they reach every program of the
image that glibc's loader starts. A static program sees through them; a probe tells of it.
"""

import struct

from runtime.data import replace
from runtime.factors.questions import Answers
from runtime.launcher import built
from runtime.plan import File, Plan

_FOLDER = "/.seatrial/preload"  # as in runtime/launcher/{clock,descriptors,slow,far,page,fold,today}.c
_LIST = "/etc/ld.so.preload"
_PROBE = "today"
_ASKED = f"run {_FOLDER}/{_PROBE}"
_PT_INTERP = 3  # elf.h


def lacks(plan: Plan, name: str) -> str:
    """Return why a library cannot be loaded into programs of a plan; empty if it can."""
    if plan.architecture:
        return f"there is no such library for programs of {plan.architecture}"
    if built(f"{name}.so") is None or built(_PROBE) is None:
        return "its library was not built: install a C compiler, then Seatrial again"
    return ""


def with_library(plan: Plan, name: str, configuration: str) -> Plan:
    """Return a plan whose programs load a library; unchanged where ``lacks`` says why not.

    Args:
        plan: which may have others of these already.
        name: of the library: that of its source in runtime/launcher.
        configuration: what it reads when it is loaded.
    """
    library, probe = built(f"{name}.so"), built(_PROBE)
    if plan.architecture or library is None or probe is None:
        return plan
    named = next((each.content for each in plan.files if each.path == _LIST), b"")
    files = (
        *(each for each in plan.files if each.path not in (_LIST, f"{_FOLDER}/{_PROBE}")),
        File(path=f"{_FOLDER}/{name}.so", content=library.read_bytes(), mode=0o755),
        File(path=f"{_FOLDER}/{name}", content=configuration.encode()),
        File(path=f"{_FOLDER}/{_PROBE}", content=probe.read_bytes(), mode=0o755),
        File(path=_LIST, content=named + f"{_FOLDER}/{name}.so\n".encode()),
    )
    return replace(plan, files=files)


def questions(plan: Plan, name: str) -> tuple[str, ...]:
    """Return what must be known of a library's effect; nothing where the plan has it not."""
    if not any(each.path == f"{_FOLDER}/{name}.so" for each in plan.files):
        return ()
    return (_ASKED, *(f"head {each}" for each in _places(plan)))


def found(plan: Plan, answers: Answers) -> tuple[str, ...]:
    """Return what a program of the image sees, in the order of runtime/launcher/today.c, or one sentence."""
    program = next((raw for each in _places(plan) if (raw := answers.raw(f"head {each}"))), b"")
    if is_static(program):
        return ("the program is static, and sees through it",)
    return tuple(answers.words(_ASKED)) or ("the image has no dynamic loader of glibc",)


def is_static(program: bytes) -> bool:
    """Tell whether a file is a program for this machine that names no dynamic loader. Source: elf(5)."""
    if not program.startswith(b"\x7fELF\x02\x01"):
        return False
    (table,) = struct.unpack_from("<Q", program, 32)  # e_phoff
    size, count = struct.unpack_from("<HH", program, 54)  # e_phentsize, e_phnum
    kinds = {struct.unpack_from("<I", program, table + size * number)[0] for number in range(count)}
    return _PT_INTERP not in kinds


def _places(plan: Plan) -> tuple[str, ...]:
    """Return the paths at which the program may be, in the order of PATH."""
    program = plan.argv[0]
    if "/" in program:
        return (program,)
    return tuple(f"{folder}/{program}" for folder in plan.environment.get("PATH", "").split(":") if folder)
