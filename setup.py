"""Builds the programs in C beside the Python code; all else that setuptools must know is in pyproject.toml."""

import platform
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FOLDER = Path("runtime/launcher")
ARCHITECTURES = ("x86_64", "aarch64")

# Source, what it becomes, which libc the program is for, and options. All but the first run under an image's libc.
PROGRAMS = (
    ("launcher.c", "launcher-{}", "musl", ("-O2", "-static", "-s")),
    ("clock.c", "clock-{}.so", "gnu.2.17", ("-O2", "-shared", "-fPIC", "-nostdlib", "-s")),
    ("descriptors.c", "descriptors-{}.so", "gnu.2.17", ("-O2", "-shared", "-fPIC", "-nostdlib", "-s")),
    ("slow.c", "slow-{}.so", "gnu.2.17", ("-O2", "-shared", "-fPIC", "-nostdlib", "-s")),
    ("far.c", "far-{}.so", "gnu.2.17", ("-O2", "-shared", "-fPIC", "-nostdlib", "-s")),
    ("page.c", "page-{}.so", "gnu.2.17", ("-O2", "-shared", "-fPIC", "-nostdlib", "-s")),
    ("fold.c", "fold-{}.so", "gnu.2.17", ("-O2", "-shared", "-fPIC", "-nostdlib", "-s")),
    ("today.c", "today-{}", "gnu.2.17", ("-O2", "-nostartfiles", "-s")),
)

# What zig cannot do without: it has no headers without its library, and no program without start files of its own.
BARE = ("-nostdlib", "-nostartfiles")


def compilers(libc: str, options: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the command that compiles a program, for each architecture that can be had here.

    zig (on PyPI as ``ziglang``) compiles for both, a C compiler for this machine. With neither, all works but the
    backends of other runtimes, and other dates; `seatrial doctor` says so.
    """
    if find_spec("ziglang"):
        zig = [sys.executable, "-m", "ziglang", "cc"]
        kept = [each for each in options if each not in BARE]
        return {
            each: [*zig, "-target", f"{each}-linux-{libc}", "-DSTART_FILES", "-Wl,--as-needed", *kept]
            for each in ARCHITECTURES
        }
    compiler = shutil.which("cc")
    return {platform.machine(): [compiler, *options]} if compiler else {}


class BuildWithLauncher(build_py):
    """Puts the launcher where the package is: into the source tree for an editable installation."""

    def run(self) -> None:
        """Build the Python code, then the programs."""
        super().run()
        folder = FOLDER if self.editable_mode else Path(self.build_lib) / FOLDER
        for source, target, libc, options in PROGRAMS:
            for architecture, compiler in compilers(libc, options).items():
                command = [*compiler, "-o", folder / target.format(architecture), FOLDER / source]
                try:
                    subprocess.run(command, check=True)  # noqa: S603 - our own command line
                except (OSError, subprocess.CalledProcessError) as error:
                    self.warn(f"{source} was not built for {architecture}: {error}")


setup(cmdclass={"build_py": BuildWithLauncher})
