"""The way of a process into a service: like that into a run, but its user and network namespace are the run's."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress

from runtime.backends.native import processes
from runtime.backends.native.entry import GROUPS, IDS, Entry, become_root_inside, set_stdin
from runtime.backends.native.first_process import NAME, attend, hide_command_line, start_watched
from runtime.backends.native.recipe import steps_inside, steps_outside
from runtime.backends.native.steps.surroundings import SetNetwork
from runtime.backends.native.wire import send_json
from runtime.data import dataclass
from runtime.plan import Plan

_NAMESPACES = (
    processes.CLONE_NEWNS | processes.CLONE_NEWPID | processes.CLONE_NEWIPC | processes.CLONE_NEWUTS
)  # fmt: skip
_CONNECTING_TIME = 0.2  # seconds; on a loopback interface an answer comes at once


@dataclass(slots=True, kw_only=True)
class ServiceEntry(Entry):
    """One process on its way into a service.

    Args:
        namespaces: descriptors of the run's user and network namespace.
        port: whose first answer is told; 0 for none.
    """

    namespaces: tuple[int, int]
    port: int = 0

    def _brought(self) -> set[int]:
        return Entry._brought(self) | {*self.namespaces}  # noqa: SLF001 - a class with slots has no super() of no arguments

    def _go_in(self) -> None:
        """Join the run, become process 1 of a PID namespace of our own, and from there go the way of every run.

        Who joins is in the PID namespace that it came from: the process that is in the new one is its child, made a
        child of the warm process, which so hears of its end. Layers are opened in its mount namespace, as overlayfs
        takes those of no other, and before it has other ids than the caller's.
        """
        self.doing = "join the run"
        user, network = self.namespaces
        processes.enter(user, processes.CLONE_NEWUSER)
        processes.enter(network, processes.CLONE_NEWNET)
        pid = processes.clone(_NAMESPACES | processes.CLONE_PARENT)
        if pid:
            send_json(self.control, {"pid": pid})
            os._exit(0)
        self._await(IDS)  # that of the process is told first: what it says itself comes after
        plan = self.order.plan
        sandbox = self._open_sources()
        become_root_inside()
        self._redirect(plan)
        layers, paths = len(self.order.layers), [path for _, path in self.order.volumes]
        steps = steps_outside(plan, self.machine, layers=layers, one_id=self.one_id, volumes=paths)
        self._execute(tuple(each for each in steps if not isinstance(each, SetNetwork)), sandbox)
        self._await(GROUPS)
        processes.unshare(processes.CLONE_NEWCGROUP)
        self._close_machine(sandbox.root)
        self._execute(steps_inside(plan, self.machine, self.program, one_id=self.one_id), sandbox)
        set_stdin(plan.stdin)
        self.doing = "start the program"
        self._be_first_process()

    def _redirect(self, plan: Plan) -> tuple[int, int]:
        """Make one pipe of stdout and stderr, and hand its end over: what a service says is for people."""
        self.doing = "make the pipe"
        reader, writer = os.pipe()
        if not self.one_id:
            os.fchown(writer, plan.user.uid, plan.user.gid)
        for number in (1, 2):
            os.dup2(writer, number)
        os.close(writer)
        send_json(self.control, {"log": True}, [reader])
        return reader, reader

    def _be_first_process(self) -> None:
        """Reap, hand signals on, and tell when the program answers on its port."""
        processes.set_name(NAME)
        hide_command_line(NAME)
        pid = start_watched(self._be_program)
        status = attend(pid, self._notice_answer() if self.port else None)
        with suppress(OSError):  # the warm process is gone, and so are we in a moment
            send_json(self.control, {"status": status})
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)

    def _notice_answer(self) -> Callable[[], bool]:
        """Return what looks once whether a connection is accepted, and tells of the first one."""

        def look() -> bool:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
                probe.settimeout(_CONNECTING_TIME)
                if probe.connect_ex(("127.0.0.1", self.port)):
                    return False
            with suppress(OSError):
                send_json(self.control, {"answers": self.port})
            return True

        return look
