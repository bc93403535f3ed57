"""``install_wheels``: wheels laid into a tree as an installer would, the same bytes each time.

Nothing of this machine enters the tree: no byte-code, no path of the builder, no time but the wheel's own.

Source: "Binary distribution format" and "Recording installed projects" of the Python packaging specifications.
"""

import contextlib
import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path

from pipeline.build.ecosystems.pypi.record import Row, digest_text, print_record
from pipeline.build.ecosystems.pypi.tree_writer import TreeWriter
from pipeline.build.ecosystems.pypi.wheel_file import Member, WheelFile
from pipeline.declare.errors import PackageError

INSTALLER = b"seatrial\n"
"""What the file INSTALLER of a distribution holds: no version, so that an upgrade of ours changes no image."""

# Not a library's text: another version of it would be another digest.
_PROGRAM = """\
#!{interpreter}
import sys
from {module} import {imported}
if __name__ == "__main__":
    sys.exit({called}())
"""

_DROPPED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "direct_url.json", "REQUESTED"})


def install_wheels(
    wheels: Sequence[Path], root: Path | int, *, site: str, scripts: str, interpreter: str = "/usr/bin/python3"
) -> None:
    """Install wheels into a tree, in the order of their names.

    Args:
        wheels: the files, under their own names or as fetched under a hash; see ``WheelFile``.
        root: the tree: its path, or a descriptor of it.
        site: the folder of modules, relative to the tree.
        scripts: the folder of programs; its parent takes what a wheel has under ``data`` and ``headers``.
        interpreter: what the programs' first line names, a path in the image.

    Raises:
        PackageError: a wheel breaks its format, is hostile, or holds a file that another one has with other content.
    """
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(WheelFile(path)) for path in wheels]
        for wheel in sorted(opened, key=lambda each: each.owner):
            with TreeWriter(root, wheel.owner) as tree:
                _Installation(wheel, tree, site.strip("/"), scripts.strip("/"), interpreter).install()


def newest_time(wheel: Path) -> int:
    """Return the newest modification time inside a wheel, in seconds since 1970; its local times are read as UTC.

    Raises:
        PackageError: it is no wheel.
    """
    with WheelFile(wheel) as file:
        return max(_seconds(member) for member in file.members)


class _Installation:
    """One wheel on its way into a tree."""

    def __init__(self, wheel: WheelFile, tree: TreeWriter, site: str, scripts: str, interpreter: str) -> None:
        self.wheel = wheel
        self.tree = tree
        self.site = site
        self.scripts = scripts
        self.interpreter = interpreter
        self.rows: list[Row] = []
        self.info = f"{site}/{wheel.dist_info}"
        self.time = max(_seconds(member) for member in wheel.members)

    def install(self) -> None:
        """Lay down the files, the programs, and the record of both."""
        for member in self.wheel.members:
            self._member(member)
        for name, module, attribute in self.wheel.entry_points():
            content = _PROGRAM.format(
                interpreter=self.interpreter, module=module, imported=attribute.split(".")[0], called=attribute
            )
            self._put(f"{self.scripts}/{name}", content.encode(), mode=0o755, mtime=self.time)
        self._put(f"{self.info}/INSTALLER", INSTALLER, mode=0o644, mtime=self.time)
        rows = [*self.rows, Row(path=f"{self.wheel.dist_info}/RECORD")]
        self.tree.file(f"{self.info}/RECORD", [print_record(rows)], mode=0o644, mtime=self.time)

    def _member(self, member: Member) -> None:
        folder, _, name = member.path.rpartition("/")
        if folder == self.wheel.dist_info and name in _DROPPED:
            return
        path, is_script = self._placed(member.path)
        time = _seconds(member)
        if is_script:
            content = b"".join(self.wheel.blocks(member))
            self._put(path, _with_interpreter(content, self.interpreter), mode=0o755, mtime=time)
            return
        mode = 0o755 if member.is_executable else 0o644
        self.tree.file(path, self.wheel.blocks(member), mode=mode, mtime=time)
        self.rows.append(Row(path=self._recorded(path), hash=member.hash, size=member.size))

    def _placed(self, path: str) -> tuple[str, bool]:
        """Return where a member goes in the tree, and whether it is a script to rewrite."""
        top, _, below = path.partition("/")
        if top != self.wheel.data:
            return f"{self.site}/{path}", False
        scheme, _, rest = below.partition("/")
        prefix = self.scripts.rpartition("/")[0]
        match scheme:
            case "purelib" | "platlib":
                return f"{self.site}/{rest}", False
            case "scripts":
                return f"{self.scripts}/{rest}", True
            case "data":
                return f"{prefix}/{rest}".lstrip("/"), False
            case "headers":
                return f"{prefix}/include/{self.wheel.project}/{rest}".lstrip("/"), False
            case _:
                raise PackageError(f"{self.wheel.owner}: {path!r} belongs to no known part of a wheel")

    def _put(self, path: str, content: bytes, *, mode: int, mtime: int) -> None:
        self.tree.file(path, [content], mode=mode, mtime=mtime)
        digest = digest_text(hashlib.sha256(content).digest())
        self.rows.append(Row(path=self._recorded(path), hash=digest, size=len(content)))

    def _recorded(self, path: str) -> str:
        """Return a path as RECORD holds it: relative to the folder of modules."""
        above, parts = self.site.split("/"), path.split("/")
        while above and parts and above[0] == parts[0]:
            above, parts = above[1:], parts[1:]
        return "/".join([".."] * len(above) + parts)


def _with_interpreter(content: bytes, interpreter: str) -> bytes:
    first, newline, rest = content.partition(b"\n")
    if first.rstrip(b"\r") not in {b"#!python", b"#!pythonw"} and not first.startswith((b"#!python ", b"#!pythonw ")):
        return content
    arguments = first.partition(b" ")[2].strip()
    return b"#!" + interpreter.encode() + (b" " + arguments if arguments else b"") + newline + rest


def _seconds(member: Member) -> int:
    year, month, day, hour, minute, second = member.date
    try:
        # A zip holds seconds by halves, and writers let 60 slip through.
        when = dt.datetime(year, month, day, hour, minute, min(second, 59), tzinfo=dt.UTC)
    except ValueError:
        return 315532800  # 1980-01-01, the earliest that a zip can hold: a date of zeros
    return int(when.timestamp())
