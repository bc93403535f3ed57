"""Crafted images and plans of the runtime checklist: what each tries, and the proof that it was stopped."""

import errno
import os
import re
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from probe import INT80, probe, program_of_32_bits, results

from runtime.outcome import Limit

EPERM, ENOSYS = -errno.EPERM, -errno.ENOSYS
APPLETS = [
    "sh",
    "cat",
    "ls",
    "readlink",
    "stat",
    "id",
    "sleep",
    "touch",
    "mkdir",
    "rm",
    "echo",
    "mount",
    "df",
    "dd",
    "kill",
    "ps",
    "env",
    "true",
    "tr",
    "head",
    "grep",
    "mknod",
    "ln",
    "mv",
]
NATIVE = "runtime/backends/native/"


@dataclass(frozen=True)
class Link:
    """A symbolic link in a crafted layer."""

    target: str


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One thing that an image tries.

    Args:
        check: what stops it.
        argv: what is run; text is a line of shell.
        files: path in the layer over the small tree → content of a program, a link, or None for a folder.
        plan: changes of the plan; ``host`` gives levels.
        refused: a pattern of the error for which nothing is started; empty: it is started and contained.
        proof: tells from the outcome that it was contained.
        mutant: changes of the runtime (file, old, new) with which this attack is not stopped as before; empty: none.
    """

    check: str
    argv: str | tuple[str, ...] = "true"
    files: Mapping[str, bytes | Link | None] = field(default_factory=dict)
    plan: Mapping[str, object] = field(default_factory=dict)
    refused: str = ""
    proof: Callable[[object], bool] = lambda outcome: outcome.exit_code == 0
    mutant: tuple[tuple[str, str, str], ...] = ()


def said(text: str) -> Callable[[object], bool]:
    """The program ended well and wrote exactly this."""
    return lambda outcome: outcome.exit_code == 0 and outcome.stdout.content.decode(errors="replace").strip() == text


def told(pattern: str) -> Callable[[object], bool]:
    """The program failed, and stderr says why."""
    return lambda outcome: outcome.exit_code != 0 and re.search(pattern, outcome.stderr.content.decode()) is not None


def returned(*wanted: int) -> Callable[[object], bool]:
    """The calls of a probe returned this."""
    return lambda outcome: outcome.exit_code == 0 and results(outcome.stdout.content) == wanted


def died(number: int) -> Callable[[object], bool]:
    """A signal ended the program."""
    return lambda outcome: outcome.signal == number


ROOT = {"host": {"user": "root"}}
FREE = {"host": {"user": "root", "seccomp": "unconfined"}}
PROC_LINK = r"leads through a link of /proc"
P = ("/app/probe",)


def calls(
    check: str, *probes: tuple, want: tuple[int, ...] = (), mutant: tuple = (), plan: Mapping | None = None
) -> Attack:
    """An image whose program makes system calls; each fails with EPERM if nothing else is wanted."""
    return Attack(
        check=check,
        argv=P,
        files={"app/probe": probe(*probes)},
        plan=plan or {},
        proof=returned(*(want or (EPERM,) * len(probes))),
        mutant=mutant,
    )


def allow(*names: str) -> tuple[tuple[str, str, str], ...]:
    """The profile allows some calls that it refuses."""
    profile = NATIVE + "seccomp/default.json"
    taken = ((profile, f'  "{name}",\n', "") for name in names)
    return (*taken, (profile, '  "writev"\n', ",\n".join(f'  "{name}"' for name in ("writev", *names)) + "\n"))


SECCOMP = NATIVE + "seccomp/__init__.py"
MACHINE = ((SECCOMP, "*jump_equal(ARCHITECTURES[machine], give(KILL), negate=True), ", ""),)
X32 = ((SECCOMP, "head += jump_at_least(_X32, jump_equal(_NO_CALL, give(KILL), negate=True))", "pass"),)
EXE = ((NATIVE + "program.py", "raise OSError(errno.ELOOP, _REFUSED) from error", "return"),)
OPAQUE = (
    (NATIVE + "compiled_init.py", "_EXECUTABLE_ONLY = 0o111", "_EXECUTABLE_ONLY = 0o555"),
    ("runtime/launcher/launcher.c", "    prctl(PR_SET_DUMPABLE, 0, 0", "    prctl(PR_SET_DUMPABLE, 1, 0"),
    (NATIVE + "processes.py", "prctl(PR_SET_DUMPABLE, 0)", "prctl(PR_SET_DUMPABLE, 1)"),
)
IOCTL = NATIVE + "seccomp/default.json"
FOLDER = (
    (
        NATIVE + "steps/kernel_files.py",
        "descriptor = mounts.open_inside(root, path, os.O_PATH | os.O_DIRECTORY, links=False)",
        "descriptor = mounts.open_inside(root, path, os.O_PATH | os.O_DIRECTORY)",
    ),
    (
        NATIVE + "steps/kernel_files.py",
        "descriptor = mounts.open_inside(root, path, os.O_PATH, links=False)",
        "descriptor = mounts.open_inside(root, path, os.O_PATH)",
    ),
)
NO_DEV = (
    (
        NATIVE + "steps/kernel_files.py",
        '        MountKernel("/dev", "tmpfs", MS_NOSUID, f"mode={dev_mode:o},size=65536k"),\n',
        "",
    ),
)
NO_PROC = ((NATIVE + "steps/kernel_files.py", '        MountKernel("/proc", "proc"),\n', ""),)
OTHERS_PROC = (  # the kernel mounts no proc of another PID namespace, but shows one that is mounted already
    (
        NATIVE + "steps/kernel_files.py",
        "                mounts.mount_at(self.kind, target, self.kind, self.flags, self.data or None)\n",
        """                if self.kind == "proc":
                    mounts.bind(os.open("/proc", os.O_PATH), target)
                else:
                    mounts.mount_at(self.kind, target, self.kind, self.flags, self.data or None)
""",
    ),
)
IN_PYTHON = (NATIVE + "entry.py", "if self.init < 0 or ", "if True or ")
"""The process 1 in Python; the compiled one, which is the usual one, is left out with it."""
COVER = ((NATIVE + "steps/tree.py", "        refuse_kernel_file_system(target, wanted.path)\n", ""),)
ANYWHERE = (
    (
        NATIVE + "mounts.py",
        "resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (0 if links else RESOLVE_NO_SYMLINKS)",
        "resolve = 0",
    ),
)
THROUGH = (
    (NATIVE + "steps/tree.py", "                os.unlink(name, dir_fd=folder)\n", "                pass\n"),
    (
        NATIVE + "steps/tree.py",
        "os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC",
        "os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC",
    ),
)
POWERFUL = (
    (
        NATIVE + "recipe.py",
        "held = plan.capabilities if plan.user.uid == 0 else ()",
        'held = (*plan.capabilities, "sys_admin")',
    ),
    (NATIVE + "recipe.py", "BoundCapabilities(plan.capabilities)", "BoundCapabilities(held)"),
)
MAPPED = (
    (
        NATIVE + "idmap.py",
        "users = (Extent(0, BASE, RANGE - 1)",
        "users = (Extent(0, BASE, 1), Extent(1, 0, 1), Extent(2, BASE + 2, RANGE - 3)",
    ),
)
UNTOLD = {
    "mount target is a folder": "the kernel mounts no file system over a file",
    "no device is made": "the kernel makes no device for who is root of a user namespace only",
    "no kernel log": "where kernel.dmesg_restrict is set the kernel refuses it, too",
    "no modules": "the kernel asks for capabilities of the machine's own user namespace",
    "nothing loaded from the image": "the runtime has no code that loads anything after it entered the tree",
}
"""Check → why no mutant tells it apart: there is nothing of ours to disable, or the kernel stands behind it."""

SH_1 = b"#!/bin/sh\n"


def script(interpreter: str) -> bytes:
    """A program that is run by another."""
    return f"#!{interpreter}\n".encode()


def kernel_folders() -> dict[str, Attack]:
    """A link or a file where the runtime mounts (CVE-2026-41579)."""
    found = {}
    for name in ("dev", "proc", "sys"):
        mutant = FOLDER if name == "sys" else ()
        found[f"{name}_is_a_link"] = Attack(
            check="kernel folder is real",
            files={name: Link("/elsewhere"), "elsewhere": None},
            refused=rf"/{name} is no folder in this image",
            mutant=mutant,
        )
        found[f"{name}_is_a_link_out"] = Attack(
            check="kernel folder is real",
            files={name: Link("../../../../tmp")},
            refused=rf"/{name} is no folder in this image",
        )
        found[f"{name}_is_a_file"] = Attack(
            check="kernel folder is real", files={name: b""}, refused=rf"/{name} is no folder in this image"
        )
    return found


ATTACKS: Mapping[str, Attack] = {
    # row R1, this machine's interpreter
    "exe_by_shebang": Attack(
        check="no program by a link of proc",
        argv=("/app/x",),
        files={"app/x": script("/proc/self/exe")},
        proof=told(PROC_LINK),
        mutant=EXE,
    ),
    "exe_by_shebang_with_blanks": Attack(
        check="no program by a link of proc",
        argv=("/app/x",),
        files={"app/x": script(" \t/proc/self/exe -c")},
        proof=told(PROC_LINK),
    ),
    "exe_by_shebang_of_shebang": Attack(
        check="no program by a link of proc",
        argv=("/app/x",),
        files={"app/x": script("/app/y"), "app/y": script("/proc/self/exe")},
        proof=told(PROC_LINK),
    ),
    "exe_by_shebang_through_link": Attack(
        check="no program by a link of proc",
        argv=("/app/x",),
        files={"app/x": script("/app/y"), "app/y": Link("/proc/self/exe")},
        proof=told(PROC_LINK),
    ),
    "exe_by_shebang_in_root_of_process": Attack(
        check="no program by a link of proc",
        argv=("/app/x",),
        files={"app/x": script("/proc/self/root/bin/sh")},
        proof=told(PROC_LINK),
    ),
    "exe_as_program": Attack(check="no program by a link of proc", argv=("/proc/self/exe",), proof=told(PROC_LINK)),
    "exe_as_link_on_path": Attack(
        check="no program by a link of proc",
        argv=("python3",),
        files={"app/python3": Link("/proc/self/exe")},
        plan={"environment": {"PATH": "/app:/bin"}},
        proof=told(PROC_LINK),
    ),
    "exe_as_relative_link": Attack(
        check="no program by a link of proc",
        argv=("./x",),
        files={"app/x": Link("../proc/thread-self/exe")},
        proof=told(PROC_LINK),
    ),
    "exe_of_init_opened_for_write": Attack(
        check="init is opaque",
        argv="for i in 1 2 3 4 5 6 7 8 9; do (: > /proc/1/exe); done 2>&1 | grep -c 'Permission denied'",
        plan=ROOT,
        proof=said("9"),
    ),
    "exe_of_init_read": Attack(
        check="init is opaque",
        argv="readlink /proc/1/exe || echo refused",
        plan=ROOT,
        proof=said("refused"),
        mutant=OPAQUE,
    ),
    "memory_of_init_read": Attack(
        check="init is opaque",
        argv="cat /proc/1/mem /proc/1/environ /proc/1/maps 2>/dev/null || echo refused",
        plan=ROOT,
        proof=said("refused"),
    ),
    "init_traced": calls("init is opaque", (101, 16, 1, 0, 0), (310, 1, 0, 0, 0, 0, 0), want=(EPERM, 0), plan=ROOT),
    # row R2, descriptors and the working folder
    **{
        f"workdir_is_descriptor_{number}": Attack(
            check="working folder by no link of proc",
            plan={"workdir": f"/proc/self/fd/{number}"},
            refused="refused|No such file",
        )
        for number in (0, 3, 7, 8, 20)
    },
    "workdir_is_linked_descriptor": Attack(
        check="working folder by no link of proc",
        files={"app/w": Link("/proc/self/fd/5")},
        plan={"workdir": "/app/w"},
        refused="refused|No such file",
    ),
    "workdir_is_own_folder_of_proc": Attack(
        check="working folder not in proc",
        plan={"workdir": "/proc/self"},
        refused="refused",
        mutant=(
            (
                NATIVE + "steps/tree.py",
                'if not here.startswith("/") or (here + "/").startswith("/proc/"):',
                "if False:",
            ),
        ),
    ),
    "workdir_is_root_of_process": Attack(
        check="working folder by no link of proc",
        plan={"workdir": "/proc/1/root"},
        refused="refused",
        mutant=ANYWHERE,
    ),
    "descriptors_leaked": Attack(
        check="descriptors closed",
        argv=("ls", "/proc/self/fd"),
        proof=said("0\n1\n2\n3"),
        mutant=(
            (
                NATIVE + "entry.py",
                "        _close_all_but({self.control.fileno(), root, self.init})\n",
                "        [os.set_inheritable(os.open('/', 0), True) for _ in range(9)]\n",
            ),
        ),
    ),
    # row R3, R4, devices
    "null_is_a_link": Attack(
        check="own devices",
        argv="stat -c %F,%t,%T /dev/null",
        files={"dev/null": Link("/proc/sys/kernel/core_pattern")},
        proof=said("character special file,1,3"),
        mutant=NO_DEV,
    ),
    "null_is_a_file": Attack(
        check="own devices", argv="stat -c %F /dev/null", files={"dev/null": b"x"}, proof=said("character special file")
    ),
    "null_is_a_folder": Attack(
        check="own devices", argv="stat -c %F /dev/null", files={"dev/null": None}, proof=said("character special file")
    ),
    "pts_is_a_link": Attack(
        check="own devices", argv="stat -f -c %T /dev/pts", files={"dev/pts": Link("/proc")}, proof=said("devpts")
    ),
    "console_is_a_link": Attack(
        check="own devices",
        argv="ls /dev/console || echo none",
        files={"dev/console": Link("/proc/sysrq-trigger")},
        proof=said("none"),
    ),
    "shm_is_a_link": Attack(
        check="own devices", argv="stat -f -c %T /dev/shm", files={"dev/shm": Link("/proc/sys")}, proof=said("tmpfs")
    ),
    "disk_is_made": Attack(
        check="no device is made", argv="mknod /tmp/d b 8 0 || echo refused", plan=ROOT, proof=said("refused")
    ),
    "masked_file_is_read": Attack(
        check="masked paths",
        argv="cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | head -c 9; ls /sys/firmware",
        plan=ROOT,
        proof=said(""),
        mutant=((NATIVE + "steps/kernel_files.py", '    "/sys/firmware",\n', ""),),
    ),
    # row R5, procfs is procfs
    "proc_is_filled": Attack(
        check="own proc",
        argv="stat -f -c %T /proc; cat /proc/sys/kernel/ostype",
        files={"proc/sys/kernel/ostype": b"fake", "proc/self/attr/exec": b""},
        plan={"host": {"pid1": "app"}},
        proof=said("proc\nLinux"),
        mutant=NO_PROC,
    ),
    "sysctl_is_written": Attack(
        check="read-only kernel paths",
        argv="echo x > /proc/sys/kernel/core_pattern || echo refused",
        plan=ROOT,
        proof=said("refused"),
    ),
    "sysctl_of_the_network_is_written": Attack(
        check="read-only kernel paths",
        argv="(echo 1 > /proc/sys/net/ipv4/ip_forward) 2>&1 | grep -c Read-only",
        plan=ROOT,
        proof=said("1"),
        mutant=((NATIVE + "steps/kernel_files.py", '"/proc/irq", "/proc/sys", ', '"/proc/irq", '),),
    ),
    "sysrq_is_triggered": Attack(
        check="read-only kernel paths",
        argv="echo h > /proc/sysrq-trigger || echo refused",
        plan=ROOT,
        proof=said("refused"),
    ),
    # row R6, links in place of folders
    **kernel_folders(),
    "etc_is_a_link": Attack(
        check="links stay in the root",
        argv="cat /tmp-etc/hostname",
        files={"etc": Link("../../../tmp-etc"), "tmp-etc": None},
        proof=said("seatrial"),
    ),
    "etc_hostname_is_a_link": Attack(
        check="laid files replace links",
        argv="stat -c %F /etc/hostname; cat /app/target",
        files={"etc/hostname": Link("/app/target"), "app/target": b"kept"},
        proof=said("regular file\nkept"),
    ),
    "etc_hostname_is_a_relative_link": Attack(
        check="laid files replace links",
        argv="stat -c %F /etc/hostname; cat /app/target",
        files={"etc/hostname": Link("../app/target"), "app/target": b"kept"},
        proof=said("regular file\nkept"),
        mutant=THROUGH,
    ),
    "resolv_conf_is_a_link": Attack(
        check="laid files replace links",
        argv="stat -c %F /etc/hosts",
        files={"etc/hosts": Link("/proc/self/environ")},
        proof=said("regular file"),
    ),
    "tmp_is_a_link": Attack(
        check="links stay in the root",
        argv="stat -f -c %T /elsewhere",
        files={"tmp": Link("../../../elsewhere"), "elsewhere": None},
        proof=said("tmpfs"),
    ),
    "tmp_is_a_link_to_a_folder_of_the_machine": Attack(
        check="links stay in the root",
        argv="stat -f -c %T /var/tmp",
        files={"tmp": Link("../" * 20 + "var/tmp"), "var/tmp": None},
        proof=said("tmpfs"),
        mutant=ANYWHERE,
    ),
    "tmp_is_a_link_to_proc": Attack(
        check="nothing covers a kernel folder",
        files={"tmp": Link("/proc")},
        plan={"host": {"pid1": "app"}},
        refused="/tmp leads into a file system of the kernel",
        mutant=COVER,
    ),
    "tmp_is_a_link_to_a_sysctl": Attack(
        check="nothing covers a kernel folder",
        files={"tmp": Link("/proc/sys")},
        refused="/tmp leads into a file system of the kernel",
    ),
    "tmp_is_a_link_to_sys": Attack(
        check="nothing covers a kernel folder",
        files={"tmp": Link("sys/kernel")},
        refused="/tmp leads into a file system of the kernel",
    ),
    "tmp_is_a_link_of_proc": Attack(
        check="mount target by no link of proc",
        files={"tmp": Link("proc/1/cwd")},
        refused="(ELOOP|Too many levels)",
        mutant=ANYWHERE,
    ),
    "tmp_is_a_file": Attack(
        check="mount target is a folder", files={"tmp": b""}, refused="Not a directory|NotADirectory"
    ),
    "out_is_a_link": Attack(
        check="links stay in the root",
        argv="stat -f -c %T /etc/out",
        files={".seatrial": Link("/etc")},
        proof=said("tmpfs"),
    ),
    "home_is_a_link_of_proc": Attack(
        check="mount target by no link of proc",
        files={"home": Link("/proc/1/root")},
        refused=PROC_LINK,
    ),
    # row R8, R14, control groups
    "cgroup_is_mounted": calls(
        "no control groups inside", (165, b"none", b"/tmp", b"cgroup", 0, b"memory"), plan=ROOT, want=(EPERM,)
    ),
    "cgroup_is_mounted_unconfined": calls(
        "no control groups inside",
        (165, b"none", b"/tmp", b"cgroup", 0, b"memory"),
        (165, b"none", b"/tmp", b"cgroup2", 0, 0),
        plan=FREE,
        mutant=POWERFUL,
    ),
    "release_agent_in_own_namespace": Attack(
        check="no control groups inside",
        argv=P,
        files={
            "app/probe": probe(
                (272, 0x12020000), (165, b"none", b"/tmp", b"cgroup", 0, b"memory"), (2, b"/tmp/release_agent", 1)
            )
        },
        plan=FREE,
        proof=lambda outcome: outcome.exit_code == 0 and results(outcome.stdout.content)[2] < 0,
    ),
    "cgroup_is_seen": Attack(
        check="own view of control groups",
        argv="cat /proc/self/cgroup | grep -vc ':/$'; grep -c cgroup /proc/mounts",
        proof=lambda outcome: outcome.stdout.content.split() == [b"0", b"0"],
        mutant=(
            (
                NATIVE + "entry.py",
                "processes.unshare(processes.CLONE_NEWCGROUP)",
                "pass",
            ),
        ),
    ),
    # row R9, calls that reach the kernel's dangerous parts
    "mount_is_called": calls(
        "mount calls",
        (165, 1, 1, 1, 0, 0),
        (428, -1, 1, -1),
        (429, -1, 1, -1, 1, 0),
        (442, -1, 1, -1, 1, 0),
        want=(EPERM,) * 4,
        mutant=allow("mount"),
    ),
    "mount_api_is_called": calls(
        "mount calls",
        (430, b"tmpfs", 0),
        (431, -1, 99, 0, 0, 0),
        (432, -1, 0, 0),
        (433, -1, 1, 0),
        (155, 1, 1),
        (166, 1, 0),
    ),
    "namespaces_are_unshared": calls(
        "no new namespaces", (272, 0x10000000), (272, 0x00020000), mutant=allow("unshare")
    ),
    "namespaces_are_cloned": calls(
        "no new namespaces by clone",
        (56, 0x10000011, 0, 0, 0, 0),
        (56, 0x20000011, 0, 0, 0, 0),
        mutant=((IOCTL, "2114060288", "0"),),
    ),
    "namespaces_are_cloned_newly": calls(
        "clone3 is not there",
        (435, 0, 0),
        want=(ENOSYS,),
        mutant=((IOCTL, '  "writev"\n', '  "writev",\n  "clone3"\n'),),
    ),
    "namespaces_are_entered": calls("no other namespaces", (308, -1, 0), mutant=allow("setns")),
    "keys_are_used": calls(
        "no keys", (250, 0, -3, 0), (248, 1, 1, 0, 0, -3), (249, 1, 1, 0, -3), mutant=allow("keyctl")
    ),
    "bpf_is_used": calls("no bpf", (321, -1, 0, 0), mutant=allow("bpf")),
    "perf_is_used": calls("no perf", (298, 1, 0, -1, -1, 0), mutant=allow("perf_event_open")),
    "userfaultfd_is_used": calls("no userfaultfd", (323, 1), mutant=allow("userfaultfd")),
    "io_uring_is_used": calls(
        "no io_uring", (425, 1, 1), (426, -1, 0, 0, 0, 0, 0), (427, -1, 0, 0, 0), mutant=allow("io_uring_setup")
    ),
    "handles_are_opened": calls("no file handles", (304, -1, 1, 0), plan=ROOT, mutant=allow("open_by_handle_at")),
    "modules_are_loaded": calls(
        "no modules", (175, 1, 1, 1), (313, -1, 1, 0), (176, 1, 0), (246, 1, 1, 1, 1), (320, -1, -1, 0, 1, 0), plan=ROOT
    ),
    "descriptors_are_stolen": calls("no descriptors of others", (438, -1, 0, 0), mutant=allow("pidfd_getfd")),
    "machine_is_stopped": calls(
        "no power over the machine",
        (169, 0xFEE1DEAD, 0x28121969, 0x89ABCDEF, 0),
        (167, 1, 0),
        (163, b"/tmp/a"),
        (170, b"x", 1),
        (227, 0, 1),
        (172, 3),
        plan=ROOT,
        mutant=allow("clock_settime"),
    ),
    "kernel_log_is_read": calls("no kernel log", (103, 3, 1, 100), plan=ROOT),
    "memory_pages_are_moved": calls(
        "no further memory calls", (440, -1, 0, 0, 21, 0), (278, -1, 0, 0, 0), mutant=allow("process_madvise")
    ),
    "sockets_of_the_kernel": calls(
        "no kernel sockets",
        (41, 38, 5, 0),
        (41, 40, 1, 0),
        (41, 17, 3, 0),
        want=(-97,) * 3,
        mutant=((IOCTL, "     10,\n     16\n", "     10,\n     16, 17, 38, 40\n"),),
    ),
    # row R10, the caller's terminal
    "tiocsti": calls("no input for the terminal", (16, 0, 0x5412, b"x"), mutant=((IOCTL, "21522", "21523"),)),
    "tiocsti_with_high_bits": calls(
        "low half of the request",
        (16, 0, 0x100005412, b"x"),
        (16, 0, 0x5412 | 1 << 63, b"x"),
        mutant=((IOCTL, "21522", "21523"),),
    ),
    "tioclinux": calls("no selection of the terminal", (16, 0, 0x541C, b"\x02"), mutant=((IOCTL, "21532", "21533"),)),
    "tioclinux_with_high_bits": calls("no selection of the terminal", (16, 0, 0xFFFFFFFF0000541C, b"\x02")),
    # row R12, nothing of the image is loaded by the runtime
    "preload_of_the_image": Attack(
        check="nothing loaded from the image",
        argv="cat /tmp/loaded || echo none",
        files={"etc/ld.so.preload": b"/app/evil.so", "etc/nsswitch.conf": b"passwd: evil"},
        proof=said("none"),
    ),
    # row R13, capabilities and groups
    "capabilities_are_inherited": Attack(
        check="nothing inheritable",
        argv="grep -E 'CapInh|CapAmb|Groups' /proc/self/status | tr -d '\\t\\n '",
        plan=ROOT,
        proof=said("Groups:CapInh:0000000000000000CapAmb:0000000000000000"),
        mutant=(
            (
                NATIVE + "processes.py",
                'struct.pack("6I", low, low, 0, high, high, 0)',
                'struct.pack("6I", low, low, low, high, high, 0)',
            ),
        ),
    ),
    "groups_of_the_caller": Attack(
        check="no groups of the caller",
        argv="id -G",
        proof=said("1000"),
        mutant=((NATIVE + "processes.py", "os.setgroups(groups)", "os.setgroups((*groups, 4))"),),
    ),
    "privileges_by_set_id": Attack(
        check="no new privileges",
        argv="grep -c 'NoNewPrivs:.1' /proc/self/status",
        proof=said("1"),
        mutant=(
            (
                NATIVE + "processes.py",
                'call("prctl", option, value, third, 0, 0)',
                'call("prctl", option, value, third, 0, 0) if option != PR_SET_NO_NEW_PRIVS else 0',
            ),
            (NATIVE + "recipe.py", "if plan.no_new_privileges else (filters, ())", "if False else (filters, ())"),
        ),
    ),
    "capability_is_regained": Attack(
        check="bounded capabilities",
        argv="grep CapBnd /proc/self/status | tr -d '\\t'",
        plan={"host": {"user": "root", "capabilities": "none"}},
        proof=said("CapBnd:0000000000000000"),
        mutant=((NATIVE + "processes.py", "prctl(PR_CAPBSET_DROP, each)", "pass"),),
    ),
    # row R15, other ways to call
    "i386_call": Attack(
        check="one architecture",
        argv=P,
        files={"app/probe": probe((INT80, 20))},
        proof=died(signal.SIGSYS),
        mutant=MACHINE,
    ),
    "i386_program": Attack(
        check="one architecture", argv=P, files={"app/probe": program_of_32_bits(42)}, proof=died(signal.SIGSYS)
    ),
    "x32_call": Attack(
        check="no x32", argv=P, files={"app/probe": probe((0x40000000 | 39,))}, proof=died(signal.SIGSYS), mutant=X32
    ),
    "x32_call_of_a_refused_number": Attack(
        check="no x32",
        argv=P,
        files={"app/probe": probe((0x40000000 | 165, 1, 1, 1, 0, 0))},
        proof=died(signal.SIGSYS),
    ),
    "x32_call_of_its_own_number": Attack(
        check="no x32", argv=P, files={"app/probe": probe((0x40000200 | 0,))}, proof=died(signal.SIGSYS)
    ),
    "unknown_call": calls(
        "unknown calls",
        (999,),
        (-1,),
        want=(ENOSYS,) * 2,
        mutant=(
            (
                SECCOMP,
                "answers, otherwise = _answers(read_profile(profile), numbers), fail(errno.ENOSYS)",
                "answers, otherwise = _answers(read_profile(profile), numbers), fail(errno.EPERM)",
            ),
        ),
    ),
    # row R16, ids
    "ids_of_the_machine": Attack(
        check="root is not mapped to root",
        argv="grep -cE '^ *[0-9]+ +0 ' /proc/self/uid_map",
        plan=ROOT,
        proof=lambda outcome: outcome.stdout.content == b"0\n",
        mutant=MAPPED if os.getuid() == 0 else (),
    ),
    # row R18, secrets and dumps
    "core_is_dumped": Attack(
        check="no core dump",
        argv="kill -SEGV $$",
        proof=lambda outcome: outcome.signal == signal.SIGSEGV and outcome.changed == (),
    ),
    "core_limit_is_raised": calls(
        "no core dump",
        (160, 4, b"\xff" * 16),
        want=(EPERM,),
        mutant=((NATIVE + "recipe.py", '{**plan.limits.resources, "nofile": plan.limits', '{"nofile": plan.limits'),),
    ),
    "environment_of_the_caller": Attack(
        check="clean environment",
        argv=("env",),
        proof=lambda outcome: b"SEATRIAL_SECRET" not in outcome.stdout.content,
        mutant=(
            (
                NATIVE + "entry.py",
                "plan.environment, plan.ignored",
                "{**plan.environment, 'SEATRIAL_SECRET': 'x'}, plan.ignored",
            ),
        ),
    ),
    "environment_of_others": Attack(
        check="own processes only",
        argv="ls -d /proc/[0-9]* | grep -c . ; cat /proc/[0-9]*/environ 2>/dev/null | grep -c SEATRIAL_SECRET",
        proof=lambda outcome: int(outcome.stdout.content.split()[0]) < 9 and outcome.stdout.content.split()[1] == b"0",
        mutant=OTHERS_PROC,
    ),
    # row R19, what outlives its parent
    "daemon_by_two_forks": Attack(
        check="all processes end",
        argv="(( sleep 987654 & ) & ) ; true",
        proof=lambda outcome: outcome.exit_code == 0 and not _sleepers("987654"),
        mutant=(
            IN_PYTHON,
            (
                NATIVE + "first_process.py",
                "    status = attend(pid)\n",
                "    status = attend(pid)\n    with suppress(OSError):\n        while os.wait():\n            pass\n",
            ),
        ),
    ),
    "daemon_in_own_session": Attack(
        check="all processes end",
        argv="trap '' HUP TERM; (setsid sleep 987653 >/dev/null 2>&1 &) ; exit 3",
        proof=lambda outcome: outcome.exit_code == 3 and not _sleepers("987653"),
    ),
    "zombies": Attack(
        check="zombies are reaped",
        argv="(true & true & true &) ; sleep 0.3; cat /proc/[0-9]*/stat | grep -c ') Z '",
        proof=lambda outcome: outcome.stdout.content == b"0\n",
        mutant=(
            IN_PYTHON,
            (NATIVE + "first_process.py", "os.waitpid(-1, os.WNOHANG)", "os.waitpid(program, os.WNOHANG)"),
        ),
    ),
    "never_ends": Attack(
        check="deadline",
        argv="trap '' TERM INT; while :; do :; done",
        plan={"deadline": 300},
        proof=lambda outcome: outcome.limit is Limit.DEADLINE,
        mutant=((NATIVE + "zygote.py", "run.deadline = run.phase is Phase.RUNNING", "run.deadline = False"),),
    ),
    # what is read afterwards
    "results_are_a_link": Attack(
        check="results are a file",
        argv="ln -s /etc/passwd /.seatrial/out/r",
        plan={"results": "/.seatrial/out/r"},
        proof=lambda outcome: outcome.results is None,
        mutant=(
            (NATIVE + "collector.py", "os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK", "os.O_RDONLY | os.O_NONBLOCK"),
        ),
    ),
    "results_are_a_pipe": Attack(
        check="results are a file",
        argv="mknod /.seatrial/out/r p",
        plan={"results": "/.seatrial/out/r"},
        proof=lambda outcome: outcome.results is None,
    ),
    "artifact_is_a_link": Attack(
        check="results are a file",
        argv="mkdir -p out; ln -s /etc/passwd out/a",
        plan={**ROOT, "artifacts": ("out/*",)},
        proof=lambda outcome: outcome.artifacts == {},
    ),
    "artifact_is_huge": Attack(
        check="artifacts have a size",
        argv="mkdir -p out; echo a > out/b; dd if=/dev/null of=out/a bs=1M seek=4000000",
        plan={**ROOT, "artifacts": ("out/*",)},
        refused="the artifact .*out/a has 4,194,304,000,000 bytes",
        mutant=(
            (NATIVE + "collector.py", "found.st_size > _MOST_BYTES", "False"),
            (NATIVE + "supervised.py", "COLLECTION_TIME = 120.0", "COLLECTION_TIME = 3.0"),
        ),
    ),
    "folders_are_deep": Attack(
        check="depth of what is read",
        argv="i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || break; i=$((i+1)); done; echo x > f",
        plan={**ROOT, "artifacts": ("**",)},
        proof=lambda outcome: outcome.exit_code == 0 and outcome.artifacts is not None,
        mutant=((NATIVE + "changes.py", "_DEEPEST = 200", "_DEEPEST = 100_000"),),
    ),
    "names_are_hostile": Attack(
        check="names are text",
        argv="touch \"$(echo -e 'a\\033[2J\\n\\xff')\"",
        plan={**ROOT, "artifacts": ("nothing",)},
        proof=lambda outcome: len(outcome.changed) == 1,
        mutant=(
            (
                NATIVE + "changes.py",
                """gets text that says so.
        yield os.fsencode(prefix + name).decode("utf-8", "backslashreplace")""",
                """gets text that says so.
        yield os.fsencode(prefix + name).decode("utf-8")""",
            ),
        ),
    ),
}

MAPPED_CHECK = ATTACKS["ids_of_the_machine"].check
"""Of which a plain user has no mutant: who could not map the machine's root if it tried."""


def _sleepers(marker: str) -> list[str]:
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in each.read_bytes().split(b"\0"):
                found.append(str(each))
        except OSError:
            continue
    return found


def lay_base(folder: int) -> None:
    """Lay a small tree whose only program is busybox."""
    os.fchdir(folder)
    os.umask(0)
    for name in ("proc", "sys", "dev", "tmp", "root", "home/app", "app", "bin", "etc"):
        Path(name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), "bin/busybox")
    Path("bin/busybox").chmod(0o755)
    for name in (*APPLETS, "setsid", "nc", "yes"):
        Path("bin", name).symlink_to("busybox")
    Path("etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n")
    os.chown("home/app", 1000, 1000)


def lay(folder: int, files: Mapping[str, bytes | Link | None]) -> None:
    """Lay the files of an attack."""
    os.fchdir(folder)
    os.umask(0)
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        match content:
            case None:
                Path(name).mkdir()
            case Link(target=target):
                Path(name).symlink_to(target)
            case _:
                Path(name).write_bytes(content)
                Path(name).chmod(0o755)
