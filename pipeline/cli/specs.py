"""Which specs a command line names."""

import difflib
import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.cli.arguments import UsageError

PATTERN = "envs/*.yaml"
"""What ``verify`` alone verifies."""


class NoSpecsError(UsageError):
    """There is nothing to verify: no error of its user, and not shown as one."""

    is_plain = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The specs that a command line names.

    Args:
        paths: their files, as people wrote them, each once.
        images: path → the reference of the image to try instead of the spec's own.
    """

    paths: tuple[Path, ...]
    images: Mapping[str, str]


def named_specs(words: Sequence[str]) -> Named:
    """Return the specs that ``words`` name: files, patterns, names of files in ``envs/``, each perhaps with ``=IMAGE``.

    Raises:
        UsageError: a name names nothing.
        NoSpecsError: there is no spec at all.
    """
    paths: dict[Path, None] = {}
    images: dict[str, str] = {}
    for word in words or [PATTERN]:
        name, equals, image = word.partition("=")
        found = [Path(name)] if equals and Path(name).exists() else _matching(word if not equals else name)
        if equals and not image:
            raise UsageError(f"'{word}' names no image", hint=f"write {name}=IMAGE, such as {name}=oci:DIR")
        paths |= dict.fromkeys(found)
        images |= {str(path): image for path in found if equals}
    # A shell writes out envs/*.yaml with the bases for ``extends`` in it; alone, one is named and explained later.
    kept = [path for path in paths if not path.name.startswith("_")] or list(paths)
    if not kept:
        raise NoSpecsError("No specs found. To write the first one: seatrial init")
    return Named(paths=tuple(kept), images=images)


def one_spec(word: str) -> Path:
    """Return the one spec that ``word`` names.

    Raises:
        UsageError: it names none, or several.
    """
    found = named_specs([word]).paths
    if len(found) != 1:
        raise UsageError(f"'{word}' names {len(found)} specs, and one is wanted")
    return found[0]


def _matching(word: str) -> list[Path]:
    if Path(word).is_file() or (word.endswith((".yaml", ".yml")) and not glob.has_magic(word)):
        return [Path(word)]
    if glob.has_magic(word):
        found = [Path(each) for each in sorted(glob.glob(word))]  # noqa: PTH207 - Path.glob refuses absolute patterns
        return [path for path in found if not path.name.startswith("_")]
    if Path("envs", f"{word}.yaml").is_file():
        return [Path("envs", f"{word}.yaml")]
    known = [path.stem for path in sorted(Path("envs").glob("*.yaml")) if not path.name.startswith("_")]
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near else "name a file, or a spec in envs/ by its name"
    raise UsageError(f"no spec '{word}': there is no such file and no envs/{word}.yaml", hint=hint)
