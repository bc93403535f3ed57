"""A user at a desk: what commands say and return, beside the golden file, and the store afterwards."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "bad_inputs"
SIMULATORS = ROOT / "tests" / "simulators"
NO_MUTANT = 99
TIMEOUT = 300


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a user sees of one command."""

    command: str
    code: int
    stdout: str
    stderr: str

    def __str__(self):
        return f"$ seatrial {self.command}\nexit {self.code}\n--- stdout\n{self.stdout}--- stderr\n{self.stderr}"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A user: a folder, a store, and variables.

    Args:
        project: where commands are typed.
        store: the store that they use.
        environment: variables beside those of the caller.
        left: what others left unfinished in the store before.
    """

    project: Path
    store: Path
    environment: dict = field(default_factory=dict)
    left: frozenset = frozenset()

    def type(self, *arguments, mutant=None):
        """Type ``seatrial ARGUMENTS``; with ``mutant``, of a Seatrial in which one check is disabled."""
        changed = [str(SIMULATORS / "mutant.py"), json.dumps(mutant)]
        is_copied = bool(mutant and mutant.get("copied"))
        command = [sys.executable, *(changed if mutant and not is_copied else ["-m", "pipeline.cli.main"]), *arguments]
        source = copied(mutant, self.project.parent / "copy") if is_copied else ROOT
        path = os.pathsep.join(filter(None, (str(source), os.environ.get("PYTHONPATH"))))
        environment = {
            **os.environ,
            "PYTHONPATH": path,
            "SEATRIAL_STORE": str(self.store),
            **self.environment,
        }
        done = subprocess.run(
            command, cwd=self.project, env=environment, capture_output=True, timeout=TIMEOUT, check=False
        )
        assert done.returncode != NO_MUTANT, done.stderr
        return Seen(
            command=" ".join(arguments),
            code=done.returncode,
            stdout=self._plain(done.stdout.decode("utf-8", "backslashreplace")),
            stderr=self._plain(done.stderr.decode("utf-8", "backslashreplace")),
        )

    def _plain(self, text):
        """Return the text without what differs from run to run and from machine to machine."""
        text = text.replace(str(self.project), "PROJECT").replace(str(self.store), "STORE")
        # Where Debian lies beside the world's own mirror is the machine's business, and how it is reached.
        gone = r": there is no such file \(HTTP 404\)"
        text = re.sub(rf"(; https?://(?!127\.)\S+{gone})+", "; ELSEWHERE: there is no such file (HTTP 404)", text)
        for pattern, mark in (
            (r"sha(256|512):(?!0123|fedc)[0-9a-f]{12,128}", r"sha\1:…"),
            (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d", "DATE TIME"),
            (r" +\d+\.\d s$", "  … s"),
            (r"cannot be written: (Read-only file system|Permission denied)", "cannot be written: CLOSED"),
            (r"/by-hash/(\w+)/[0-9a-f]{32,128}", r"/by-hash/\1/…"),
        ):
            text = re.sub(pattern, mark, text, flags=re.MULTILINE)
        return text


def copied(mutant, folder):
    """Return a copy of the packages with the mutant's change, for code that runs in processes of its own."""
    for package in ("pipeline", "runtime"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / (mutant["module"].replace(".", "/") + ".py")
    text = file.read_text(encoding="utf-8")
    assert text.count(mutant["old"]) == 1, mutant
    file.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
    return folder


def check_golden(name, seen):
    """Compare what was seen with the golden file; with UPDATE_GOLDEN=1 write it."""
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(str(seen), encoding="utf-8")
    wanted = golden.read_text(encoding="utf-8")
    if not is_golden(name, seen):
        assert str(seen) == wanted


def is_golden(name, seen):
    """Tell whether what was seen is what the golden file holds."""
    return _words(str(seen)) == _words((GOLDEN / f"{name}.txt").read_text(encoding="utf-8"))


def _words(text):
    """Return the text without times and lines: a time of another width breaks the lines in other places."""
    return text.replace("… s", "").split()


def check_store(desk):
    """Demand that every blob and package of the store verifies, and that nothing half-made is left."""
    verified = desk.type("cache", "--verify")
    assert (verified.code, verified.stdout.splitlines()[-1:]) == (0, ["every file is whole"]), verified
    left = left_over(desk.store) - desk.left
    assert not left, left


def left_over(store):
    """Return the files of work that was begun and not ended; what uv keeps below ``tmp/uv`` is its own cache."""
    found = [*(store / "cache" / "partial").glob("*"), *(store / "trees").glob(".new*")]
    found += [each for each in (store / "tmp").glob("*") if each.name != "uv"]
    for part in ("oci", "builds", "results", "cache"):
        found += [each for each in (store / part).rglob("*") if ".new" in each.name or ".tmp" in each.name]
    return frozenset(str(each.relative_to(store)) for each in found)
