"""``Machine``: one virtual machine, kept running, and the thread that listens to it."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from runtime.backends.qemu.command import Accelerator, Shape, command_line
from runtime.backends.qemu.messages import Message, MessageError, frame, read_frame
from runtime.errors import BackendError

# It ends with the thread that has started it, which listens as long as the machine runs; QEMU has no option for that.
_START = (
    "import os, sys; sys.path.insert(0, sys.argv[1]); from runtime.backends.native.processes import die_with_parent; "
    "die_with_parent(int(sys.argv[2])); os.execv(sys.argv[3], sys.argv[3:])"
)
_LAST_WORDS = 800
_LOOK = 0.2  # seconds

Answer = Callable[[Message], None]


class Machine:
    """A virtual machine that has come up.

    Args:
        program: path of QEMU.
        accelerator: who carries out the guest's instructions.
        kernel: path of the kernel.
        first: an open file with the archive of the guest's first files.
        disks: open files with the images of the layers; the caller closes them, when it likes.
        cpus: how many processors.
        memory: MiB.
        processor: its model; empty for the best that there is.
        patience: seconds until it must have come up.
        is_given_up: tells, now and then while it comes up, whether nobody waits for it any more.

    Raises:
        BackendError: it did not come up; nothing is left of it.
    """

    def __init__(
        self,
        *,
        program: str,
        accelerator: Accelerator,
        kernel: Path,
        first: BinaryIO,
        disks: Sequence[BinaryIO],
        cpus: int,
        memory: int,
        processor: str,
        patience: float,
        is_given_up: Callable[[], bool],
    ) -> None:
        self.accelerator = accelerator
        self._answers: dict[int, Answer] = {}
        self._lock = threading.Lock()  # of the table of answers
        self._sending = threading.Lock()
        self._up, self._alive = threading.Event(), True
        self._lost = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._connection, theirs = socket.socketpair()
        self._console = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the machine
        with theirs:
            opened = [first, self._console, *disks]
            shape = Shape(
                accelerator=accelerator,
                cpus=cpus,
                memory=memory,
                kernel=str(kernel),
                first_files=_path(first),
                console=_path(self._console),
                orders=theirs.fileno(),
                disks=[_path(each) for each in disks],
                processor=processor,
            )
            passed = [theirs.fileno(), *(each.fileno() for each in opened)]
            started = threading.Event()
            self._listener = threading.Thread(
                target=self._live,
                args=(command_line(program, shape), passed, started),
                name="seatrial-machine",
                daemon=True,
            )
            self._listener.start()
            started.wait()
        try:
            is_up = self._await(patience, is_given_up)
        except BaseException:  # such as Ctrl-C
            self.close()
            raise
        if not is_up or not self._alive:
            self.close()
            how = "ended before it came up" if is_up else f"did not come up within {patience:.0f} s"
            raise BackendError(f"the virtual machine {how}: {self._last_words()}")

    @property
    def is_alive(self) -> bool:
        """Whether orders can be given."""
        return self._alive

    @property
    def pid(self) -> int:
        """The pid of QEMU."""
        return self._process.pid if self._process else -1

    def order(self, message: Message, answer: Answer | None = None) -> None:
        """Give an order; ``answer`` is called, in the listening thread, with each message about the run that it names.

        Raises:
            BackendError: the machine is gone.
        """
        with self._lock:
            if not self._alive:
                raise BackendError(f"the virtual machine is gone: {self._last_words()}")
            if answer:
                self._answers[message.head["number"]] = answer
        with self._sending:
            try:
                self._connection.sendall(frame(message))
            except OSError as error:
                raise BackendError(f"the virtual machine does not listen: {error.strerror}") from error

    def forget(self, number: int) -> None:
        """Hand on no more answers about a run."""
        with self._lock:
            self._answers.pop(number, None)

    def close(self) -> None:
        """End the machine with all that runs in it; idempotent."""
        if self._process:
            self._process.kill()
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self._connection.close()

    def _await(self, patience: float, is_given_up: Callable[[], bool]) -> bool:
        end = time.monotonic() + patience
        while not self._up.wait(_LOOK):
            if is_given_up():
                raise BackendError("the backend is closed")
            if time.monotonic() > end:
                return False
        return True

    def _live(self, command: tuple[str, ...], passed: list[int], started: threading.Event) -> None:
        """Start the machine, hear it to its end, and reap it: all in one thread, with which the kernel ends it too."""
        home = str(Path(__file__).resolve().parents[3])
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is made by us
                [sys.executable, "-I", "-S", "-c", _START, home, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._console,
                env={},
                cwd="/",
                start_new_session=True,  # a terminal's Ctrl-C is the client's to answer
                pass_fds=passed,
            )
        except OSError as error:
            self._lost = f"cannot start {command[0]}: {error.strerror}"
        finally:
            started.set()
        if self._process:
            self._listen()
            self._process.kill()
            self._process.wait()
            self._lost = self._last_words()
        self._console.close()
        with self._lock:
            self._alive = False
            answers = dict(self._answers)
        self._up.set()
        for number, answer in answers.items():
            answer(Message({"what": "lost", "about": number, "message": self._last_words()}))

    def _listen(self) -> None:
        try:
            while True:
                message = read_frame(self._read)
                if message.head.get("what") == "hello":
                    self._up.set()
                    continue
                with self._lock:
                    answer = self._answers.get(message.head.get("about", 0))
                if answer:
                    answer(message)
        except (EOFError, OSError):
            pass
        except (MessageError, TypeError) as error:
            self._lost = f"its guest says what cannot be understood: {error}"

    def _read(self, size: int) -> bytes:
        parts = []
        while size and (part := self._connection.recv(min(size, 1 << 20))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _last_words(self) -> str:
        """Return why it ended, as far as that is known: the end of what its kernel, its guest or QEMU said."""
        if self._lost:
            return self._lost
        size = os.fstat(self._console.fileno()).st_size
        said = os.pread(self._console.fileno(), _LAST_WORDS, max(0, size - _LAST_WORDS))
        return " ".join(said.decode(errors="replace").split()) or "it said nothing"


def _path(file: BinaryIO) -> str:
    return f"/dev/fd/{file.fileno()}"
