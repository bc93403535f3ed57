"""Where a spec's own files may lie: inside the project's tree, whatever the links."""

import os
from pathlib import Path

MARKS = (".git", "pyproject.toml")
"""What the top of a project holds."""


def project_tree(spec: Path) -> Path:
    """Return the top of the tree that a spec's files may come from, absolute and without links.

    It is the nearest folder above the spec that holds one of MARKS; without one, the parent of the spec's folder.
    """
    directory = Path(os.path.realpath(spec)).parent
    for folder in (directory, *directory.parents):
        if any((folder / mark).exists() for mark in MARKS):
            return folder
    return directory.parent


def refusal(spec: Path, written: str) -> str:
    """Tell why the file or folder that a spec names cannot be used; empty if it can.

    Args:
        spec: the spec that names it.
        written: the path as written, relative to the spec's folder.
    """
    if written.startswith(("/", "~")):
        return f"{written!r} is not relative to the spec"
    if "\x00" in written:
        return f"{written!r} holds NUL"
    tree = project_tree(spec)
    found = Path(os.path.realpath(spec.parent / written))
    if not found.is_relative_to(tree):
        top = os.path.relpath(tree, os.path.realpath(spec.parent))
        is_link = Path(os.path.normpath(spec.parent.resolve() / written)).is_relative_to(tree)
        return f"{written!r} leads{' by a link' if is_link else ''} out of the project's tree, whose top is {top!r}"
    if not found.exists():
        return f"{written!r} does not exist"
    if not found.is_file() and not found.is_dir():
        return f"{written!r} is neither a file nor a folder"  # a pipe would be waited for without end
    return ""
