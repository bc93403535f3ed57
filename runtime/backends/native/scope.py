"""``enter_scope``: a control group of our own, where a plain user's session under systemd has none to give away.

A session's group is root's, and no run could be limited in it. The user's own systemd moves a process into a scope that
is delegated, as it does for Podman without root; whatever the process starts from then on is there, too. A scope of the
user's systemd ends with the user's last session: who is started to outlive it, by nohup(1), stays where it is.

Source: org.freedesktop.systemd1(5), ``StartTransientUnit``; sd_booted(3); systemd's documentation of delegation.
"""

import os
import signal
import time
from contextlib import suppress

from runtime.backends.native.kernel_files import read_text, start_time

_BOOTED = "/run/systemd/system"
_MANAGER = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
_PATIENCE = 2  # seconds in which systemd has to answer, and then to have moved the process
_PAUSE = 0.005


def enter_scope() -> bool:
    """Let systemd move this process into a scope, if it may limit no run where it is; tell whether it was moved.

    Where that cannot be done nothing is said: whoever needs limits is told so, with what allows them.
    """
    is_to_outlive = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    if os.geteuid() == 0 or is_to_outlive or not os.path.isdir(_BOOTED):  # noqa: PTH112 - see the head
        return False
    import shutil  # noqa: PLC0415 - root and other machines need none of these
    import subprocess  # noqa: PLC0415 - likewise

    from runtime.backends.native.cgroups import read_parents  # noqa: PLC0415 - likewise
    from runtime.backends.native.grounds import Layout, layout  # noqa: PLC0415 - likewise

    if layout(read_text("/proc/self/mountinfo")) is not Layout.V2:
        return False
    bus, program = f"/run/user/{os.getuid()}/bus", shutil.which("busctl")
    if program is None or not os.access(bus, os.W_OK) or read_parents().offers:
        return False
    name = f"seatrial-{os.getpid()}-{start_time(os.getpid())}.scope"
    properties = ("2", "PIDs", "au", "1", str(os.getpid()), "Delegate", "b", "true")
    call = (*_MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail", *properties, "0")
    with suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(  # noqa: S603 - systemd's own program, with words of ours
            [program, "--user", f"--timeout={_PATIENCE}", "--quiet", "call", *call],
            env={"DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=2 * _PATIENCE,
            check=False,
        )
        end = time.monotonic() + _PATIENCE
        while asked.returncode == 0 and time.monotonic() < end:
            if read_text("/proc/self/cgroup").rstrip().endswith(f"/{name}"):
                return True
            time.sleep(_PAUSE)
    return False
