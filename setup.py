"""Builds the launcher beside the Python code; all else that setuptools must know is in pyproject.toml."""

import platform
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SOURCE = Path("runtime/launcher/launcher.c")
ARCHITECTURES = ("x86_64", "aarch64")
OPTIONS = ("-O2", "-static", "-s")


def commands() -> dict[str, list[str]]:
    """Return the command that compiles the launcher, for each architecture that can be had here.

    zig (on PyPI as ``ziglang``) compiles for both, a C compiler for this machine. With neither, all works but the
    backends of other runtimes; `seatrial doctor` says so.
    """
    if find_spec("ziglang"):
        zig = [sys.executable, "-m", "ziglang", "cc"]
        return {each: [*zig, "-target", f"{each}-linux-musl", *OPTIONS] for each in ARCHITECTURES}
    compiler = shutil.which("cc")
    return {platform.machine(): [compiler, *OPTIONS]} if compiler else {}


class BuildWithLauncher(build_py):
    """Puts the launcher where the package is: into the source tree for an editable installation."""

    def run(self) -> None:
        """Build the Python code, then the launcher."""
        super().run()
        folder = SOURCE.parent if self.editable_mode else Path(self.build_lib) / SOURCE.parent
        for architecture, command in commands().items():
            target = folder / f"launcher-{architecture}"
            try:
                subprocess.run([*command, "-o", target, SOURCE], check=True)  # noqa: S603 - our own command line
            except (OSError, subprocess.CalledProcessError) as error:
                self.warn(f"the launcher for {architecture} was not built: {error}")


setup(cmdclass={"build_py": BuildWithLauncher})
