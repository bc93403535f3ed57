"""``Parser``: what a command line may say. It imports only the verb that is asked for."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn, Protocol, cast

from runtime.data import dataclass
from runtime.errors import SeatrialError

_USUAL = 80  # columns


class UsageError(SeatrialError):
    """The command line asks for something that does not exist."""


class Verb(Protocol):
    """A module of ``pipeline.cli``: one verb."""

    EXAMPLES: str
    """Command lines that work, shown before anything else."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    """Declare its own arguments. It imports nothing heavy: ``--help`` has 0.15 s."""

    run: Callable[[argparse.Namespace], int]
    """Carry it out and return the exit code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table of verbs.

    Args:
        name: what people type, and the module's name, where a dash is an underscore.
        about: what it does, for the list of verbs.
        command: whether what follows ``--`` is a command of its own.
        hosts: whether it runs things on hosts, or tells which can be had: some have limits.
    """

    name: str
    about: str
    command: bool = False
    hosts: bool = False

    def load(self) -> Verb:
        """Import the verb."""
        return cast("Verb", import_module(f"pipeline.cli.{self.name.replace('-', '_')}"))


VERBS = (
    Row(name="verify", about="build, run on every host, compare, explain, judge", hosts=True),
    Row(name="init", about="write a first spec from what the project has"),
    Row(name="lock", about="pin every package by version and hash"),
    Row(name="build", about="build the image and print its digest"),
    Row(name="bill", about="print what an image holds, as CycloneDX or SPDX, or its provenance"),
    Row(name="lint", about="look for leaks and staleness in an image"),
    Row(name="run", about="run the suite or a command once, on one host", command=True, hosts=True),
    Row(name="explain", about="narrow one difference to its cause", hosts=True),
    Row(name="hosts", about="list the hosts and the levels of their factors", hosts=True),
    Row(name="doctor", about="tell what can run here, and what enables the rest", hosts=True),
    Row(name="report", about="show a report again, in another format"),
    Row(name="why-digest", about="tell why two images have two digests"),
    Row(name="gate", about="tell whether a release may enter a stage, and what is missing"),
    Row(name="rebuild", about="build an image again as somebody else would, and sign what came out"),
    Row(name="promote", about="let the identical bytes enter a stage, on evidence", hosts=True),
    Row(name="rollback", about="let an earlier release of a stage come back, through the same gate"),
    Row(name="status", about="show what each stage has, by whose word, and since when"),
    Row(name="deploy", about="run what is live in a stage, and read back what really runs"),
    Row(name="drift", about="tell how what runs differs from what was deployed"),
    Row(name="scale", about="run another number of containers of what is deployed"),
    Row(name="keys", about="show the keys that sign, and say whose signatures count"),
    Row(name="cache", about="show what the store holds, and check it"),
    Row(name="oci-runtime", about="be an OCI runtime for an engine, such as podman"),
    Row(name="completion", about="print a completion script for a shell"),
)

EXAMPLES = """\
  seatrial init                     write the first spec, envs/NAME.yaml
  seatrial verify                   try every spec in envs/ on every host
  seatrial report --format junit    the last result, for another program"""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are Seatrial's: what, on which thing, and the next step."""

    def error(self, message: str) -> NoReturn:
        """Raise ``UsageError`` where argparse would print its usage and exit."""
        raise UsageError(_near(message, self), hint=f"run `{self.prog} --help`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command line that was understood: the verb, its row and its arguments."""

    verb: Verb
    row: Row
    arguments: argparse.Namespace


def parse(argv: Sequence[str], *, program: str = "seatrial") -> Command:
    """Read a command line.

    Global options are taken before and after the verb; after it they win.

    Args:
        argv: the words after the program's name.
        program: what people typed; ``verify`` is ``seatrial verify``.

    Raises:
        UsageError: it cannot be understood.
        SystemExit: help or the version was asked for and printed.
    """
    if program == "verify":
        return _parse_verb(_row("verify"), list(argv), argparse.Namespace(), program)
    found = top_parser().parse_args(argv)
    if found.verb is None:
        top_parser().print_help(sys.stderr)
        raise UsageError("no command given", hint="run `seatrial verify` to verify envs/*.yaml")
    row, rest = _row(found.verb), found.rest
    del found.rest
    return _parse_verb(row, rest, found, f"{program} {row.name}")


def verb_of(argv: Sequence[str]) -> str:
    """Return the verb of a command line; empty if it has none or what stands before it is wrong."""
    try:
        return top_parser().parse_args(argv).verb or ""
    except (UsageError, SystemExit):
        return ""


def top_parser() -> Parser:
    """Return the parser of what stands before the verb."""
    listed = "\n".join(f"  {row.name:<12}{row.about}" for row in VERBS)
    parser = Parser(
        prog="seatrial",
        usage=argparse.SUPPRESS,
        description=f"{EXAMPLES}\n\ncommands:\n{listed}",
        epilog="`seatrial COMMAND --help` tells more about one.",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("verb", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    add_global_options(parser)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    return parser


def verb_parser(row: Row, program: str) -> Parser:
    """Return the parser of what stands after the verb ``row``."""
    verb = row.load()
    parser = Parser(
        prog=program,
        usage=None,
        description=verb.EXAMPLES,
        formatter_class=_ExampleFirst,
        allow_abbrev=False,
    )
    verb.add_arguments(parser)
    add_global_options(parser)
    return parser


def add_global_options(parser: argparse.ArgumentParser) -> None:
    """Declare what every verb takes."""
    group = parser.add_argument_group("options of every command")
    group.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    group.add_argument("--quiet", "-q", action="store_true", help="print the verdict only")
    group.add_argument("--verbose", "-v", action="count", default=0, help="print a line for each host too")
    group.add_argument("--no-progress", action="store_true", help="say nothing while it runs")
    group.add_argument("--store", metavar="DIR", help="where images and results are kept")
    group.add_argument("--jobs", metavar="N", type=_count, help="how many runs at once (one a CPU)")
    group.add_argument("--seed", metavar="N", type=int, help="the same seed plans the same runs (0)")


def _parse_verb(row: Row, rest: list[str], known: argparse.Namespace, program: str) -> Command:
    command: list[str] | None = None
    if row.command and "--" in rest:
        cut = rest.index("--")
        rest, command = rest[:cut], rest[cut + 1 :]
    parser = verb_parser(row, program)
    arguments = parser.parse_args(rest, namespace=known)
    arguments.command = command
    return Command(verb=row.load(), row=row, arguments=arguments)


def _row(name: str) -> Row:
    for row in VERBS:
        if row.name == name:
            return row
    near = _nearest(name, [row.name for row in VERBS])
    guess = f"; did you mean '{near[0]}'?" if near else ""
    raise UsageError(f"unknown command '{name}'{guess}", hint="run `seatrial --help` for the list")


def _near(message: str, parser: argparse.ArgumentParser) -> str:
    """Add the nearest option to argparse's message about an unknown one."""
    head, _, words = message.partition("unrecognized arguments: ")
    if head or not words.startswith("-"):
        return message
    word = words.split()[0].partition("=")[0]
    known = [text for action in parser._actions for text in action.option_strings]  # noqa: SLF001 - argparse has no other way
    near = _nearest(word, known)
    return f"unknown option '{word}'" + (f"; did you mean '{near[0]}'?" if near else "")


def _nearest(word: str, known: Sequence[str]) -> list[str]:
    """Return the one word that is most like another, if one is."""
    import difflib  # noqa: PLC0415 - errors only

    return difflib.get_close_matches(word, known, n=1)


def _columns() -> int:
    """Return how wide help is written: COLUMNS, or the terminal, as ``shutil.get_terminal_size`` has it."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(1).columns or _USUAL
    except OSError:  # stdout is no terminal
        return _USUAL


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


class _Version(argparse.Action):
    """Print the version; the package's metadata is read only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 20 ms that nobody else pays

        try:
            sys.stdout.write(f"seatrial {version('seatrial')}\n")
        except PackageNotFoundError:
            sys.stdout.write("seatrial, from a source tree that is not installed\n")
        parser.exit()


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal. argparse makes one for each argument, and asks a module that takes 1.6 ms to load."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class _ExampleFirst(_Formatter):
    """Examples, then the usage, then the options in groups."""

    def format_help(self) -> str:
        text = super().format_help()
        usage, _, rest = text.partition("\n\n")
        examples, _, options = rest.partition("\n\n")
        return f"{examples}\n\n{usage}\n\n{options}"
