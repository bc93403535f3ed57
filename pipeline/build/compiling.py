"""Run the commands of a stage in a copy of its tree, inside the native runtime, without network.

What must not matter varies from the first time to the second, as ``pipeline.build.workshop`` has it: the name of the
machine, and how many processors there are. Nor do clocks, process ids and the order of folders agree.
"""
# ruff: noqa: PTH103, PTH108, PTH118, PTH123, PTH211 - paths are text here, as they stand in the stage

import os
import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten

from pipeline.declare.errors import BuildError
from runtime.backends.native.backend import NativeBackend
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.host import Host
from runtime.outcome import Outcome
from runtime.plan import Plan, User

OUT = "/out"
"""The folder that is there for what commands make."""

_TIMEOUT = 3_600_000  # of one command
_SHOWN = 1500
_LINE = 200
_BLOCK = 1 << 20
_NOT_FOUND = 127
_TEMPORARY = "/tmp"  # noqa: S108 - in the stage's tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """What a stage runs.

    Args:
        stage: its name, for messages.
        run: the commands, in order, each a program and its arguments.
        workdir: where they run.
        environment: variables beside those that every stage has.
    """

    stage: str
    run: tuple[tuple[str, ...], ...]
    workdir: str
    environment: Mapping[str, str]

    def to_json(self) -> Json:
        """Return what of them decides a layer."""
        return {
            "run": [list(each) for each in self.run],
            "workdir": self.workdir,
            "environment": dict(self.environment),
        }


def run_commands(tree: Path, commands: Commands, *, epoch: int, hostname: str, architecture: str = "") -> None:
    """Run commands one after another, as user 0, with a tree as the root that they write in place.

    What one leaves running ends before the next begins.

    Args:
        tree: belongs to user 0 of the mapped ids.
        commands: what to run.
        epoch: their SOURCE_DATE_EPOCH.
        hostname: what they see.
        architecture: of the tree, where it is not this machine's: its programs are emulated.

    Raises:
        BuildError: one failed; the message ends with what it wrote last.
    """
    with NativeBackend(lambda _: ()) as backend:
        for number, argv in enumerate(commands.run, 1):
            plan = replace(_plan(argv, commands, epoch, hostname), architecture=architecture)
            refused = backend.refusal(plan)
            if refused is not None:
                raise BuildError(f"the stage {commands.stage} cannot run here: {refused.reason}", hint=refused.hint)
            with backend.start(plan, tree=tree, evidence=False) as running:
                outcome = running.wait()
            if outcome.exit_code != 0:
                raise _failure(commands, number, outcome)


def lay_over(root: int, laid: int, *, epoch: int) -> None:
    """Copy files into a stage's tree, over what is there, and make the folder ``/out``; of mapped ids, as user 0.

    The process has the tree as its root afterwards: links of the tree, such as /bin, lead to where they do in a run.

    Args:
        root: descriptor of the tree.
        laid: descriptor of a folder of files, links and folders.
        epoch: the time that they get, in seconds since 1970.
    """
    os.umask(0o022)
    os.fchdir(root)
    os.chroot(".")
    os.makedirs(OUT, exist_ok=True)
    for path, folders, names, folder in os.fwalk(".", dir_fd=laid):
        place = f"/{path.removeprefix('.').lstrip('/')}"
        os.makedirs(place, exist_ok=True)
        links = [each for each in folders if stat.S_ISLNK(os.lstat(each, dir_fd=folder).st_mode)]
        for name in (*names, *links):
            _lay(name, folder, os.path.join(place, name), epoch)


def _lay(name: str, folder: int, target: str, epoch: int) -> None:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if os.path.lexists(target):
        os.unlink(target)
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=folder), target)
    else:
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        with open(source, "rb") as content, open(target, "xb") as copy:
            while block := content.read(_BLOCK):
                copy.write(block)
            os.fchmod(copy.fileno(), stat.S_IMODE(status.st_mode))
    os.utime(target, (epoch, epoch), follow_symlinks=False)


def _plan(argv: Sequence[str], commands: Commands, epoch: int, hostname: str) -> Plan:
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(epoch),
        "PERL_HASH_SEED": "0",
        "PYTHONHASHSEED": "0",
        **commands.environment,
    }
    bare = Plan(
        image=Digest.of(b""),
        suite=None,
        argv=tuple(argv),
        workdir=commands.workdir,
        environment=environment,
        user=User(uid=0, gid=0, home="/root"),
        capabilities=(),
        deadline=_TIMEOUT,
    )
    cpus = str(len(os.sched_getaffinity(0)))
    plan = Host(name="build", factors={"user": "root", "cpus": cpus, "hostname": hostname}).apply(bare)
    # A compiler takes what memory there is, and what one command leaves in /tmp is there for the next.
    return replace(
        plan,
        environment=environment,
        tmpfs=tuple(each for each in plan.tmpfs if each.path != _TEMPORARY),
        limits=replace(plan.limits, memory=None),
    )


def _failure(commands: Commands, number: int, outcome: Outcome) -> BuildError:
    shown = shorten(shlex.join(commands.run[number - 1]), _LINE, placeholder=" …")
    end = outcome.limit or (f"signal {outcome.signal}" if outcome.signal else f"exit {outcome.exit_code}")
    return BuildError(
        f"stage {commands.stage}: command {number} of {len(commands.run)}, `{shown}` in {commands.workdir}, failed "
        f"({end}): {_last_words(outcome)}",
        hint="add the package that has it to the stage's `packages`" if outcome.exit_code == _NOT_FOUND else "",
    )


def _last_words(outcome: Outcome) -> str:
    streams = (
        each.content[-_SHOWN:].decode("utf-8", errors="replace").strip() for each in (outcome.stderr, outcome.stdout)
    )
    return "\n".join(each for each in streams if each) or "it wrote nothing"
