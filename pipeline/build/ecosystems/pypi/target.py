"""``Target``: the Python that wheels are chosen for: the image's, never the host's."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from pipeline.declare.errors import ResolveError

MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "s390x": "s390x"}
"""Debian's name of an architecture → the machine that wheels name."""

# PEP 600, "Legacy manylinux tags".
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST = {"x86_64": 5, "aarch64": 17, "s390x": 17}
_KNOWN_TO_UV = ("x86_64", "aarch64")
_UV_MINORS = (17, 28, *range(31, 41))
_VERSION = re.compile(r"(?:\d+:)?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A CPython on Linux with glibc.

    Args:
        python: its whole version, such as ``3.11.2``.
        machine: ``x86_64``, ``aarch64`` or ``s390x``.
        glibc: the minor version: 36 is glibc 2.36.
    """

    python: str
    machine: str
    glibc: int

    @classmethod
    def of_debian(cls, *, python: str, libc: str, architecture: str) -> "Target":
        """Return the target of an image.

        Args:
            python: the version of Debian's package with the interpreter, such as ``3.11.2-6+deb12u6``.
            libc: the version of Debian's package libc6, such as ``2.36-9+deb12u10``.
            architecture: Debian's name of it.

        Raises:
            ResolveError: a version has another form, or there are no wheels for the architecture.
        """
        interpreter, library = _VERSION.match(python), _VERSION.match(libc)
        if architecture not in MACHINES:
            raise ResolveError(f"wheels are not chosen for {architecture!r} yet; {', '.join(MACHINES)} are")
        if interpreter is None or library is None or library[1] != "2":
            raise ResolveError(f"cannot read the versions of python {python!r} and glibc {libc!r}")
        version = f"{interpreter[1]}.{interpreter[2]}.{interpreter[3] or 0}"
        return cls(python=version, machine=MACHINES[architecture], glibc=int(library[2]))

    @property
    def minor(self) -> str:
        """The version that names folders: ``3.11``."""
        return ".".join(self.python.split(".")[:2])

    @property
    def uv_platforms(self) -> tuple[str, ...]:
        """The name that uv gives the newest platform that the target can run.

        Of a machine that uv has no name for, those of all that it knows: what is needed on each of them, in the same
        version, does not depend on the machine.
        """
        minor = max(each for each in _UV_MINORS if each <= max(self.glibc, _UV_MINORS[0]))
        machines = (self.machine,) if self.machine in _KNOWN_TO_UV else _KNOWN_TO_UV
        return tuple(f"{each}-manylinux_2_{minor}" for each in machines)

    def tags(self) -> tuple[Tag, ...]:
        """Return every tag of a wheel that the target can run, the most specific first.

        Source: PEP 425, PEP 600; the order is that of ``packaging.tags``.
        """
        version = tuple(int(each) for each in self.python.split(".")[:2])
        platforms = tuple(self._platforms())
        interpreter = f"cp{version[0]}{version[1]}"
        return (
            *cpython_tags(version, abis=[interpreter], platforms=platforms),
            *compatible_tags(version, interpreter=interpreter, platforms=platforms),
        )

    def best(self, names: Iterable[str]) -> str | None:
        """Return the wheel of ``names`` that suits best, or None if none can be run: a function of the names alone.

        The most specific tag wins, then the highest build number, then the last by name.
        """
        rank = {tag: -position for position, tag in enumerate(self.tags())}
        rated = []
        for name in names:
            try:
                _, _, build, tags = parse_wheel_filename(name)
            except InvalidWheelFilename:
                continue
            fitting = [rank[tag] for tag in tags if tag in rank]
            if fitting:
                rated.append((max(fitting), build, name))
        return max(rated)[2] if rated else None

    def _platforms(self) -> Iterator[str]:
        for minor in range(self.glibc, _OLDEST[self.machine] - 1, -1):
            yield f"manylinux_2_{minor}_{self.machine}"
            if minor in _LEGACY:
                yield f"{_LEGACY[minor]}_{self.machine}"
        yield f"linux_{self.machine}"
