"""Which artifacts are kept whole beside their digests: short texts, so that a report can show what changed in them."""

LONGEST = 16 * 1024
"""Bytes of one."""

MOST = 256 * 1024
"""Bytes of all of a run; of what comes later only digests are kept."""

_CONTROLS = frozenset(range(0x20)) - {*b"\t\n\r\f\x1b"}


class Texts:
    """The texts of one run."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self._room = MOST

    def add(self, path: str, content: bytes) -> None:
        """Keep the content of an artifact, if it is a short text and there is room for it."""
        if len(content) > min(LONGEST, self._room) or not _CONTROLS.isdisjoint(content):
            return
        try:
            self.kept[path] = content.decode()
        except UnicodeDecodeError:
            return
        self._room -= len(content)
