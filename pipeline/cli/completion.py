"""``completion``: a script for a shell that completes verbs, options, specs, hosts, factors and levels.

The script is static text made from the parsers and the tables, so completing never starts Python.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.specs import PATTERN

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pipeline.cli.arguments import Parser

EXAMPLES = """\
examples:
  seatrial completion bash >> ~/.bashrc
  seatrial completion zsh > ~/.zfunc/_seatrial
  seatrial completion fish > ~/.config/fish/completions/seatrial.fish"""

SHELLS = ("bash", "zsh", "fish")

_FILES = {"SPEC", "SPEC[=IMAGE]", "SPEC|IMAGE", "DIR", "RUN", "NAME|FILE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What can follow one verb.

    Args:
        verb: its name.
        about: what it does.
        options: option → what it does.
        values: option → the words that can follow it; empty where any can.
        words: the words that can stand alone.
        files: whether a file can stand alone.
    """

    verb: str
    about: str
    options: dict[str, str]
    values: dict[str, tuple[str, ...]]
    words: tuple[str, ...]
    files: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    write = {"bash": bash, "zsh": zsh, "fish": fish}[arguments.shell]
    sys.stdout.write(write(completions()))
    return 0


def completions() -> tuple[Completion, ...]:
    """Return what can follow each verb, from its own parser."""
    from pipeline.cli.arguments import VERBS, verb_parser  # noqa: PLC0415 - this verb alone needs all others

    known = _known_values()
    return tuple(_completion(row.name, row.about, verb_parser(row, row.name), known) for row in VERBS)


def bash(found: Sequence[Completion]) -> str:
    """Return a script for bash."""
    cases = []
    for each in found:
        values = [f"{option}) words={_quoted(' '.join(words))} ;;" for option, words in each.values.items() if words]
        free = "|".join(option for option, words in each.values.items() if not words)
        cases += [f"    {each.verb})", '      case "$before" in', *(f"        {line}" for line in values)]
        cases += [f"        {free}) files=1 ;;"] * bool(free)
        cases += [f"        *) words={_quoted(' '.join([*each.words, *each.options]))}; files={int(each.files)} ;;"]
        cases += ["      esac ;;"]
    verbs = _quoted(" ".join(each.verb for each in found))
    return "\n".join([
        "# bash completion of seatrial and verify",
        "_seatrial() {",
        '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" verb="" words="" files=0 each',
        '  if [ "${COMP_WORDS[0]##*/}" = verify ]; then verb=verify; else',
        '    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '      case "$each" in -*) ;; *) verb="$each"; break ;; esac',
        "    done",
        "  fi",
        '  case "$verb" in',
        f'    "") words={verbs} ;;',
        *cases,
        "  esac",
        '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
        '  [ "$files" = 1 ] && COMPREPLY+=($(compgen -f -- "$word"))',
        "}",
        "complete -o filenames -F _seatrial seatrial verify",
        "",
    ])  # fmt: skip


def zsh(found: Sequence[Completion]) -> str:
    """Return a script for zsh."""
    cases = []
    for each in found:
        specs = [
            f"'{option}[{_zsh(about)}]{_zsh_value(each, option)}'" for option, about in sorted(each.options.items())
        ]
        rest = "'*:file:_files'" if each.files else f"'*:word:({' '.join(each.words)})'"
        cases += [f"    {each.verb}) _arguments {' '.join([*specs, rest])} ;;"]
    verbs = " ".join(f"'{each.verb}:{_zsh(each.about)}'" for each in found)
    return "\n".join([
        "#compdef seatrial verify",
        "_seatrial() {",
        "  local -a verbs",
        f"  verbs=({verbs})",
        '  if [[ "$service" = verify ]]; then words=(seatrial verify "${words[@]:1}"); (( CURRENT++ )); fi',
        "  if (( CURRENT == 2 )); then _describe command verbs; return; fi",
        '  local verb="$words[2]"',
        "  shift words; (( CURRENT-- ))",
        '  case "$verb" in',
        *cases,
        "  esac",
        "}",
        '_seatrial "$@"',
        "",
    ])  # fmt: skip


def fish(found: Sequence[Completion]) -> str:
    """Return a script for fish."""
    lines = ["# fish completion of seatrial and verify"]
    for each in found:
        lines.append(f"complete -c seatrial -f -n __fish_use_subcommand -a {each.verb} -d {_quoted(each.about)}")
        where = [f"-c seatrial -n '__fish_seen_subcommand_from {each.verb}'"]
        where += ["-c verify"] if each.verb == "verify" else []
        for place in where:
            for option, about in each.options.items():
                name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
                values = each.values.get(option)
                follow = "" if values is None else f" -x -a {_quoted(' '.join(values))}" if values else " -r"
                lines.append(f"complete {place} {name}{follow} -d {_quoted(about)}")
            lines += [f"complete {place} -F"] * each.files
            lines += [f"complete {place} -f -a {_quoted(' '.join(each.words))}"] * bool(each.words)
    return "\n".join(lines) + "\n"


def _completion(verb: str, about: str, parser: Parser, known: dict[str, tuple[str, ...]]) -> Completion:
    options: dict[str, str] = {}
    values: dict[str, tuple[str, ...]] = {}
    words: tuple[str, ...] = ()
    files = False
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way
        name = str(action.metavar or "")
        if not action.option_strings:
            words += tuple(map(str, action.choices or ()))
            files = files or name in _FILES
        for option in action.option_strings:
            options[option] = action.help or ""
            if action.nargs != 0:
                own = tuple(map(str, action.choices or ()))
                values[option] = own or (known.get(option, ()) if name != "SET" else known["--hosts"])
    return Completion(verb=verb, about=about, options=options, values=values, words=words, files=files)


def _known_values() -> dict[str, tuple[str, ...]]:
    from pipeline.cli.report import FORMATS  # noqa: PLC0415 - this verb alone needs all others
    from pipeline.declare.hosts import Catalogue  # noqa: PLC0415 - as above
    from runtime.factors import FACTORS  # noqa: PLC0415 - as above

    catalogue = Catalogue.of(Path(PATTERN))
    levels = [f"{factor.name}={level}" for factor in FACTORS for level in factor.levels]
    return {
        "--host": catalogue.host_names,
        "--hosts": catalogue.set_names,
        "--set": tuple(each for each in levels if not set(each) & set(" '\"\\<>()[]{}$`*?~;&|")),
        "--format": FORMATS,
        "-f": FORMATS,
    }


def _zsh_value(each: Completion, option: str) -> str:
    values = each.values.get(option)
    if values is None:
        return ""
    return f":value:({' '.join(value.replace(':', chr(92) + ':') for value in values)})" if values else ":value:_files"


def _zsh(text: str) -> str:
    return "".join("" if each in "'[]" else "\\:" if each == ":" else each for each in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
