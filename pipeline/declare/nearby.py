"""What lies beside the files that a spec takes, and is not taken: what a suite most often turns out to need, too."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from pipeline.declare.image import BuiltImage, FilesEntry, LocalFiles
from pipeline.declare.spec import EnvSpec
from pipeline.declare.tree import project_tree

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""Names that can be shown in a line of a spec as they are."""

_MOST = 1000
"""Names that are looked at in one folder."""


def nearby(spec: EnvSpec) -> Mapping[str, str]:
    """Return where the neighbors of what a spec takes would be in the image → what ``from:`` would say of them.

    Neighbors are the plain names in the folder of a local entry that keeps its name, ``../src`` at ``/app/src``. What
    another entry takes is none of them, nor is what a link leads out of the project.
    """
    image = spec.image.files if isinstance(spec.image, BuiltImage) else ()
    entries = [each for each in (*image, *spec.suite.files) if isinstance(each, LocalFiles)]
    top, directory = project_tree(spec.path), _real(spec.directory)
    taken = {_real(directory / each.from_) for each in entries}
    found: dict[str, str] = {}
    for folder, to in _folders(entries, directory).items():
        if not folder.is_relative_to(top):
            continue
        for name in _names(folder):
            source = _real(folder / name)
            if (
                source.exists()
                and source.is_relative_to(top)
                and not any(source.is_relative_to(each) for each in taken)
            ):
                found.setdefault(str(to / name), os.path.relpath(folder / name, directory))
    return found


def _folders(entries: Sequence[FilesEntry], directory: Path) -> dict[Path, PurePosixPath]:
    """Return the folder of each entry that keeps its name → where that folder would be in the image."""
    local = ((directory / each.from_, PurePosixPath(each.to)) for each in entries if isinstance(each, LocalFiles))
    return {_real(source.parent): to.parent for source, to in local if source.name == to.name}


def _real(path: Path) -> Path:
    """Return a path without links, as far as they lead anywhere."""
    return Path(os.path.realpath(path))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir() if _PLAIN.fullmatch(each.name))[:_MOST]
    except OSError:
        return []
