"""``seatrial-oci``: the OCI command line. Engines call it; people may too.

Source: runc(8) and its commands, whose options engines pass; runtime-tools' docs/command-line-interface.md.
"""

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from runtime.backends.native.bundle import containers, sealed
from runtime.backends.native.bundle.groups import from_state
from runtime.backends.native.bundle.process import Process, read_process
from runtime.backends.native.bundle.refusals import BundleRefusedError, Refused
from runtime.backends.native.bundle.state import Container, StateError, States
from runtime.canonical import Json
from runtime.errors import BackendError, SeatrialError
from runtime.oci.document import DIGITS_OF_64_BITS, parse_document, texts

VERSION = "seatrial-oci version 0.1.0\nspec: 1.0.2\n"
_FAILED = 1
_PATIENCE = 10.0  # seconds for a killed process to end


class UsageError(BackendError):
    """The command line cannot be understood."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}", hint=f"run `{self.prog} --help`")


def main() -> int:
    """Run ``seatrial-oci COMMAND …``; return its exit code."""
    return start(sys.argv[1:])


def start(argv: Sequence[str]) -> int:
    """Run a command line and return its exit code; errors go to stderr and to ``--log``."""
    arguments = argparse.Namespace(log=None, log_format="text")
    try:
        arguments = _parser().parse_args(argv)
        if arguments.needs_seal and os.geteuid() == 0 and not sealed.is_sealed():
            sealed.start_again_sealed()
        code: int = arguments.run(arguments, States(arguments.root or _default_root()))
    except SeatrialError as error:
        _log(arguments, error.message)
        sys.stderr.write(f"error: {error}\n")
        return _FAILED
    except OSError as error:
        _log(arguments, str(error))
        sys.stderr.write(f"error: {error}\n")
        return _FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="seatrial-oci", allow_abbrev=False)
    parser.add_argument("--root", type=Path, metavar="DIR", help="where states are kept")
    parser.add_argument("--log", type=Path, metavar="FILE", help="where errors are written too")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    parser.add_argument("--debug", action="store_true", help="accepted; there is nothing more to say")
    parser.add_argument("--systemd-cgroup", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--version", "-v", action=_Version, nargs=0)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    for name, run, about in (
        ("create", _create, "make a container; its program waits"),
        ("start", _start, "start the program"),
        ("state", _state, "print the state as JSON"),
        ("kill", _kill, "send a signal"),
        ("delete", _delete, "forget a container that has stopped"),
        ("run", _run, "create, start, wait and delete"),
        ("exec", _exec, "start one more program in a container"),
    ):
        command = commands.add_parser(name, help=about, allow_abbrev=False)
        command.set_defaults(run=run, needs_seal=name in ("create", "run", "exec"))
        _add_options(command, name)
    return parser


def _add_options(command: argparse.ArgumentParser, name: str) -> None:
    if name in ("create", "run"):
        command.add_argument("--bundle", "-b", type=Path, default=Path(), metavar="DIR")
        command.add_argument("--no-pivot", action="store_true", help=argparse.SUPPRESS)
        command.add_argument("--no-new-keyring", action="store_true", help=argparse.SUPPRESS)
    if name in ("create", "run", "exec"):
        command.add_argument("--pid-file", type=Path, metavar="FILE")
        command.add_argument("--console-socket", type=Path, metavar="SOCKET")
        command.add_argument("--preserve-fds", type=int, default=0, metavar="N")
    if name in ("run", "exec"):
        command.add_argument("--detach", "-d", action="store_true")
    if name == "exec":
        command.add_argument("--process", "-p", type=Path, metavar="FILE")
        command.add_argument("--tty", "-t", action="store_true")
        command.add_argument("--cwd", metavar="DIR")
        command.add_argument("--env", "-e", action="append", default=[], metavar="NAME=VALUE")
        command.add_argument("--user", "-u", metavar="UID[:GID]")
    if name == "kill":
        command.add_argument("--all", "-a", action="store_true", help="to all its processes")
    if name == "delete":
        command.add_argument("--force", "-f", action="store_true", help="end it first")
    command.add_argument("id", metavar="ID")
    if name == "kill":
        command.add_argument("signal", nargs="?", default="TERM")
    if name == "exec":
        command.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")


def _create(arguments: argparse.Namespace, states: States) -> int:
    _make(arguments, states)
    return 0


def _start(arguments: argparse.Namespace, states: States) -> int:
    states.start(states.load(arguments.id))
    return 0


def _state(arguments: argparse.Namespace, states: States) -> int:
    sys.stdout.write(json.dumps(states.to_json(states.load(arguments.id)), indent=1) + "\n")
    return 0


def _kill(arguments: argparse.Namespace, states: States) -> int:
    container, number = states.load(arguments.id), _signal(arguments.signal)
    container.send(number)
    if arguments.all:
        for pid in _all_processes(container) - {container.pid}:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
    return 0


def _delete(arguments: argparse.Namespace, states: States) -> int:
    try:
        container = states.load(arguments.id)
    except StateError:
        if arguments.force and states.folder(arguments.id).exists():  # one that was being made when its maker died
            states.remove(arguments.id)
        if arguments.force:
            return 0
        raise
    if states.status(container) != "stopped":
        if not arguments.force:
            raise StateError(
                f"container {container.id} is {states.status(container)}", hint="kill it first, or --force"
            )
        with suppress(StateError):
            container.send(signal.SIGKILL)
        _await_end(container)
    from_state(container.groups).remove()
    states.remove(container.id)
    return 0


def _run(arguments: argparse.Namespace, states: States) -> int:
    container = _make(arguments, states)
    states.start(container)
    if arguments.detach:
        return 0
    code = _wait(container.pid)
    from_state(container.groups).remove()
    states.remove(container.id)
    return code


def _exec(arguments: argparse.Namespace, states: States) -> int:
    _refuse_descriptors(arguments)
    container = states.load(arguments.id)
    if states.status(container) != "running":
        raise StateError(f"container {container.id} is {states.status(container)}, not running")
    process = _process(arguments, container)
    pid = containers.execute(container, process, arguments.console_socket, stays=arguments.detach)
    if arguments.pid_file:
        arguments.pid_file.write_text(str(pid), encoding="ascii")
    return 0 if arguments.detach else _wait(pid)


def _make(arguments: argparse.Namespace, states: States) -> Container:
    if arguments.systemd_cgroup:
        detail = "--systemd-cgroup"
        raise BundleRefusedError(Refused.CGROUP_PATH, detail)
    _refuse_descriptors(arguments)
    container = containers.create(states, arguments.id, arguments.bundle, arguments.console_socket)
    if arguments.pid_file:
        arguments.pid_file.write_text(str(container.pid), encoding="ascii")
    return container


def _refuse_descriptors(arguments: argparse.Namespace) -> None:
    if arguments.preserve_fds:
        raise BundleRefusedError(Refused.PRESERVED_DESCRIPTORS, f"--preserve-fds {arguments.preserve_fds}")


def _process(arguments: argparse.Namespace, container: Container) -> Process:
    bundle = _read_document(Path(container.bundle) / "config.json")
    linux = bundle.get("linux") or {}
    namespaces = linux.get("namespaces") if isinstance(linux, dict) else ()
    in_user_namespace = any(isinstance(each, dict) and each.get("type") == "user" for each in namespaces or ())
    if arguments.process:
        document = dict(_read_document(arguments.process))
    else:
        found = bundle.get("process")
        document = {**found, "args": arguments.argv} if isinstance(found, dict) else {}
        document["env"] = [*texts(document.get("env"), "process.env"), *arguments.env]
        if arguments.cwd:
            document["cwd"] = arguments.cwd
        if arguments.user:
            uid, _, gid = arguments.user.partition(":")
            document["user"] = {"uid": int(uid), "gid": int(gid or 0)}
        document["terminal"] = arguments.tty
    return read_process(document, in_user_namespace=in_user_namespace)


def _read_document(path: Path) -> Mapping[str, Json]:
    return parse_document(path.read_bytes(), path.name, digits=DIGITS_OF_64_BITS)


def _all_processes(container: Container) -> set[int]:
    found = set()
    for group in from_state(container.groups).groups.values():
        with suppress(FileNotFoundError):
            found |= {int(line) for line in Path(group.path, "cgroup.procs").read_text(encoding="ascii").split()}
    return found - {0}


def _await_end(container: Container) -> None:
    end = time.monotonic() + _PATIENCE
    while container.is_alive:
        if time.monotonic() > end:
            raise StateError(f"container {container.id} was killed and did not end within {_PATIENCE:.0f} s")
        time.sleep(0.005)


def _wait(pid: int) -> int:
    """Wait for a child and return its exit code as shells say it; SIGTERM and SIGINT are passed on."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: os.kill(pid, received))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return code if code >= 0 else 128 - code


def _signal(word: str) -> int:
    if word.isdecimal() and 0 < int(word) <= signal.SIGRTMAX:
        return int(word)
    name = "SIG" + word.upper().removeprefix("SIG")
    if name not in signal.Signals.__members__:
        raise UsageError(f"there is no signal {word!r}")
    return signal.Signals[name]


def _log(arguments: argparse.Namespace, message: str) -> None:
    if not arguments.log:
        return
    line = f"error: {message}"
    if arguments.log_format == "json":
        line = json.dumps({"level": "error", "msg": message, "time": datetime.now(UTC).isoformat(timespec="seconds")})
    with suppress(OSError), arguments.log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def _default_root() -> Path:
    if os.geteuid() == 0:
        return Path("/run/seatrial-oci")
    return Path(os.environ.get("XDG_RUNTIME_DIR", f"/tmp/seatrial-oci-{os.geteuid()}")) / "seatrial-oci"  # noqa: S108 - made 0700


class _Version(argparse.Action):
    def __call__(self, *_: object) -> NoReturn:
        sys.stdout.write(VERSION)
        raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
