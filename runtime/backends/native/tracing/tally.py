"""What a traced run has told so far: signs, counted for the tests that are under way."""

from runtime.trace import MARKS, MOST_COUNTS, MOST_SIGNS, Trace

_BEGIN, _END = f"{MARKS}/begin/".encode(), f"{MARKS}/end/".encode()
_KEY = 16
_MOST_AT_ONCE = 64  # tests that run at the same time; more is no plug-in of ours


class Tally:
    """Counts signs, within bounds."""

    def __init__(self) -> None:
        self._running: dict[str, None] = {}
        self._tests: dict[str, dict[str, int]] = {"": {}}
        self._signs: dict[str, str] = {}
        self._counts = 0
        self._is_whole = True

    def mark(self, path: bytes) -> bool:
        """Take note of a mark; tell whether the path is one."""
        if path.startswith(_BEGIN):
            if len(self._running) < _MOST_AT_ONCE:
                self._running[_key(path, _BEGIN)] = None
            return True
        if path.startswith(_END):
            self._running.pop(_key(path, _END), None)
            return True
        return False

    def count(self, sign: str) -> None:
        """Count a sign for each test that is under way, or for none."""
        if sign not in self._signs:
            if len(self._signs) >= MOST_SIGNS:
                self._is_whole = False
                return
            self._signs[sign] = sign
        for test in self._running or ("",):
            counts = self._tests.setdefault(test, {})
            if sign not in counts:
                if self._counts >= MOST_COUNTS:
                    self._is_whole = False
                    continue
                self._counts += 1
            counts[sign] = counts.get(sign, 0) + 1

    def cut(self) -> None:
        """Say that more happened than is counted."""
        self._is_whole = False

    def trace(self) -> Trace:
        """Return what was counted."""
        return Trace(tests=self._tests, is_whole=self._is_whole)


def _key(path: bytes, head: bytes) -> str:
    return path[len(head) : len(head) + _KEY].decode("ascii", "replace")
