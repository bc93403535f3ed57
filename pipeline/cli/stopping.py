"""What a signal does: an exception in the main thread, so that every context manager cleans up on its way."""

import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP arrived. It is caught wherever Ctrl-C is.

    Args:
        number: the signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


def install() -> None:
    """Let SIGTERM and SIGHUP raise ``Terminated``; one that is ignored (``nohup``) stays so. SIGINT raises as ever."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _raise)


def exit_code(stop: BaseException | None) -> int:
    """Return 128 and the number of the signal behind ``stop``."""
    return 128 + (stop.number if isinstance(stop, Terminated) else int(signal.SIGINT))


def _raise(number: int, _: FrameType | None) -> None:
    raise Terminated(number)
