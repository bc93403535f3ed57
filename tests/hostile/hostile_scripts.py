"""What maintainer scripts of crafted Debian packages try while an image is built, and the proof that it was contained.

Each script writes what it got to ``/var/lib/hostile/NAME`` of the tree, where the test reads it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hostile_runs import NATIVE, OTHERS_PROC, POWERFUL, allow

CANARY = "content of a file of this machine"
SECRET = "SEATRIAL_SECRET_OF_THE_CALLER"  # noqa: S105 - the name of a variable
SLEEPER = "98765.4321"
ORPHAN = "98764.1234"


@dataclass(frozen=True, kw_only=True)
class Script:
    """One thing that a script tries.

    Args:
        check: what contains it.
        lines: of shell; ``{…}`` are fields of the test's machine.
        proof: tells from what the script wrote, and the test's machine, that it was contained.
        mutant: changes of the runtime (file, old, new) with which it is not contained as before; empty: none.
    """

    check: str
    lines: str
    proof: Callable[[str, object], bool]
    mutant: tuple[tuple[str, str, str], ...] = ()


def refused(text, _):
    """It was told no, and nothing else."""
    return text.strip() == "refused"


KERNEL_FILES = NATIVE + "steps/kernel_files.py"
SHARED_NETWORK = (  # who has no network of their own can neither set it up nor mount /sys
    (NATIVE + "births.py", "    | processes.CLONE_NEWNET\n", ""),
    (NATIVE + "recipe.py", "        SetNetwork(plan.network.state, plan.network.ipv6),\n", ""),
    (KERNEL_FILES, '        MountKernel("/sys", "sysfs", _ALL | MS_RDONLY),\n', ""),
)
SHARED_NAME = (
    (NATIVE + "births.py", "    | processes.CLONE_NEWUTS\n", ""),
    (NATIVE + "recipe.py", "        SetHostname(plan.hostname),\n", ""),
)
ROOT_THAT_CAN_BE_LEFT = (
    (
        NATIVE + "mounts.py",
        '    call("pivot_root", b".", b".")\n    call("umount2", b".", MNT_DETACH)\n',
        '    os.chroot(".")\n',
    ),
)

SCRIPTS = {
    "network_is_dialed": Script(
        check="no server of this machine is reached",
        lines="bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}' 2>/dev/null && echo connected || echo refused",
        proof=lambda text, machine: refused(text, machine) and not machine.dialed(),
        mutant=SHARED_NETWORK,
    ),
    "network_is_dialed_by_address": Script(
        check="there is no way to another network",
        lines="bash -c 'exec 3<>/dev/tcp/{address}/{port}' 2>/dev/null && echo connected || echo refused",
        proof=lambda text, machine: refused(text, machine) and not machine.dialed(),
        mutant=SHARED_NETWORK,
    ),
    "names_are_resolved": Script(
        check="no name is resolved",
        lines="timeout 5 getent hosts deb.debian.org >/dev/null && echo resolved || echo refused",
        proof=refused,
    ),
    "abstract_socket_is_dialed": Script(
        check="no socket of this machine is reached",
        lines='perl -e \'socket S, 1, 1, 0; print connect(S, pack "Sa*", 1, "\\0{socket}") ? "connected" : "refused"\'',
        proof=lambda text, machine: refused(text, machine) and not machine.dialed(),
        mutant=SHARED_NETWORK,
    ),
    "files_of_the_host_by_path": Script(
        check="the tree is the root",
        lines="cat {canary} /../../../..{canary} /proc/1/root{canary} /proc/self/root{canary} 2>/dev/null; echo end",
        proof=lambda text, _: text.strip() == "end",
    ),
    "files_of_the_host_out_of_the_root": Script(
        check="no second root leads out",
        lines=(
            'perl -e \'mkdir "/tmp/in"; chroot "/tmp/in"; chdir ".." for 1..64; chroot "."; '
            'open F, "<", ".{canary}" and print <F>; print "end"\''
        ),
        proof=lambda text, _: text.strip() == "end",
        mutant=ROOT_THAT_CAN_BE_LEFT,
    ),
    "environment_of_the_caller": Script(
        check="the caller's environment stays there",
        lines="env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'",
        proof=lambda text, _: SECRET not in text and "PATH=" in text,
        mutant=(
            (
                NATIVE + "entry.py",
                "plan.environment, plan.ignored",
                f"{{**plan.environment, '{SECRET}': 'x'}}, plan.ignored",
            ),
        ),
    ),
    "name_of_the_host": Script(
        check="the machine's name stays there",
        lines="hostname; cat /proc/sys/kernel/hostname /etc/hostname /etc/hosts 2>/dev/null; uname -n; echo end",
        proof=lambda text, machine: machine.name not in text.split() and "end" in text,
        mutant=SHARED_NAME,
    ),
    "settings_of_the_kernel": Script(
        check="the kernel's settings are read-only",
        lines=(
            "for each in kernel/core_pattern vm/drop_caches kernel/modprobe; do "
            "(echo 1 > /proc/sys/$each) 2>/dev/null && echo written $each; done; "
            "(echo 1 > /proc/sys/net/ipv4/ip_forward) 2>&1 | grep -c Read-only"
        ),
        proof=lambda text, _: text.strip() == "1",
        mutant=((NATIVE + "steps/kernel_files.py", '"/proc/irq", "/proc/sys", ', '"/proc/irq", '),),
    ),
    "tree_of_the_kernel": Script(
        check="the kernel's devices are read-only",
        lines=(
            "(echo mem > /sys/power/state) 2>/dev/null && echo written; "
            "mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; "
            "(echo x > /sys/class/net/lo/ifalias) 2>&1 | grep -q Read-only && echo refused"
        ),
        proof=refused,
        mutant=((KERNEL_FILES, '"sysfs", _ALL | MS_RDONLY', '"sysfs"'),),
    ),
    "device_is_made": Script(
        check="no device is made",
        lines="mknod /root/disk b 8 0 2>/dev/null && echo made || echo refused",
        proof=refused,
    ),
    "file_system_is_mounted": Script(
        check="nothing is mounted",
        lines="mount -t tmpfs tmpfs /mnt 2>/dev/null && echo mounted || echo refused",
        proof=refused,
        mutant=(*allow("mount"), *POWERFUL),
    ),
    "namespace_is_made": Script(
        check="no namespace is made",
        lines="unshare --mount --propagation unchanged true 2>/dev/null && echo made || echo refused",
        proof=refused,
        mutant=(*allow("unshare"), *POWERFUL),
    ),
    "processes_of_the_host": Script(
        check="other processes are not seen",
        lines="cat /proc/[0-9]*/cmdline | tr '\\0' ' '; echo end",
        proof=lambda text, _: SLEEPER not in text and text.strip().endswith("end"),
        mutant=OTHERS_PROC,
    ),
    "processes_are_killed": Script(
        check="other processes are not killed",
        lines='perl -e \'print kill(0, {sleeper}) ? "found" : "refused"; kill(9, {sleeper})\'',
        proof=lambda text, machine: refused(text, machine) and machine.sleeps(),
    ),
    "clock_is_set": Script(
        check="the clock is the machine's own",
        lines="date -s 2001-01-01 >/dev/null 2>&1 && echo set || echo refused",
        proof=refused,
    ),
    "packages_are_changed": Script(
        check="packages in the cache stay as they are",
        lines="for each in /debs/*.deb; do echo poison >> $each; done; rm -f /debs/hostname.deb; echo end",
        proof=lambda _, machine: machine.is_cache_whole(),
        mutant=(
            (
                "pipeline/build/bootstrap.py",
                'shutil.copyfile(path, to / f"{name}.deb")',
                'os.link(path, to / f"{name}.deb")',
            ),
        ),
    ),
    "process_outlives_the_script": Script(
        check="every process ends with the build",
        lines=f"(setsid sleep {ORPHAN} >/dev/null 2>&1 < /dev/null &); echo end",
        proof=lambda _, machine: not machine.has_process(ORPHAN),
    ),
    "identity_of_the_host": Script(
        check="what names the machine stays there",
        lines="cat /etc/machine-id /var/lib/dbus/machine-id /sys/class/dmi/id/product_uuid 2>/dev/null; echo end",
        proof=lambda text, machine: not any(each and each in text for each in machine.identities),
    ),
}
"""Those that end well: one build holds all of them."""

UNTOLD = {
    "names_are_resolved": "without a network nothing is resolved, and that a name would be hangs on the machine's own",
    "files_of_the_host_by_path": "without the tree as its root no script of it runs",
    "device_is_made": "the kernel makes no device for who is root of a user namespace only",
    "processes_are_killed": "the kernel lets nobody signal what belongs to another user namespace, seen or not",
    "process_outlives_the_script": "control groups end what its namespace of processes would not",
    "clock_is_set": "the kernel asks for capabilities of the machine's own user namespace",
    "identity_of_the_host": "no file of the machine is in the tree, and what the kernel tells it shows to its own root",
}
"""Script → why no mutant tells its check apart: nothing of ours can be disabled, or the kernel stands behind it."""

FATAL = {
    "never_ends": ("a build has a deadline", "while :; do :; done", "(they did not end within 20 s)"),
    "multiplies_for_ever": (
        "a build has a limit of processes",
        "bomb() { bomb | bomb & }; bomb; sleep 60",
        "(they did not end within 20 s)",
    ),
    "writes_to_its_output_for_ever": ("what a script says is kept in bounds", "yes poison", "(they wrote without end)"),
    "fails_and_blames_others": (
        "a script that fails ends the build",
        "printf 'hint: run curl | sh\\n\\033[2J' >&2; exit 9",
        "(exit 1)",
    ),
}
"""Check, lines, and what the refusal says; one build each."""

FATAL_MUTANTS = {
    "never_ends": ("runtime.backends.native.reading", "if code == -signal.SIGKILL and report.deadline:", "if False:"),
    "writes_to_its_output_for_ever": (
        "runtime.backends.native.reading",
        "if code == -signal.SIGKILL and flooded:",
        "if False:",
    ),
    "fails_and_blames_others": ("pipeline.build.bootstrap", "if outcome.exit_code != 0:", "if False:"),
}
"""Of each the check disabled: module, old, new. Without a limit of processes the machine itself would be at its end."""
