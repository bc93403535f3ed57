"""``cache``: what the store holds, and whether its content is whole."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from pipeline.cli import faults
from pipeline.cli.options import store_path

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

EXAMPLES = """\
examples:
  seatrial cache                    how much each part of the store takes
  seatrial cache --verify           hash everything again"""

PARTS = {
    "oci": "images and suites",
    "trees": "their unpacked layers",
    "cache": "downloaded packages",
    "results": "observations",
    "kernels": "kernels of virtual machines",
    "builds": "build keys",
    "stages": "images of the stages of this machine",
    "signed": "what was signed already",
    "rebuilds": "images being built again",
    "tmp": "work in progress",
}
"""The folders of a store."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("--verify", action="store_true", help="hash every blob and every package again")


def run(arguments: argparse.Namespace) -> int:
    """Print what the store holds; with ``--verify``, exit 1 if anything in it is damaged."""
    store = store_path(arguments)
    sizes = {part: _size(store / part) for part in PARTS}
    damaged = _damaged(store) if arguments.verify else []
    if arguments.json:
        found = {"store": str(store), "bytes": sizes}
        checked = {"damaged": damaged} if arguments.verify else {}
        sys.stdout.write(json.dumps({"schema": "https://seatrial.dev/cache/v1", **found, **checked}, indent=1) + "\n")
    else:
        sys.stdout.write(_text(store, sizes))
        if arguments.verify:
            sys.stdout.write("".join(f"damaged  {each}\n" for each in damaged) or "every file is whole\n")
    return faults.FAILED if damaged else faults.PASSED


def _text(store: Path, sizes: dict[str, int]) -> str:
    rows = [f"  {part:<8} {_mebibytes(sizes[part]):>12}  {about}" for part, about in PARTS.items()]
    return "\n".join([str(store), *rows, f"  {'total':<8} {_mebibytes(sum(sizes.values())):>12}"]) + "\n"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _size(folder: Path) -> int:
    """Return the bytes of the files below ``folder``, those that this user may look at; links are not followed."""
    import os  # noqa: PLC0415 - keeps the imports of --help few

    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(at, name)).st_size  # noqa: PTH118 - a store has a million files
            except OSError:
                continue
    return total


def _damaged(store: Path) -> list[str]:
    """Return what is wrong with images and packages; what somebody is writing, or has left unfinished, is neither."""
    from runtime.errors import SeatrialError  # noqa: PLC0415 - likewise
    from runtime.oci.descriptor import INDEX  # noqa: PLC0415 - likewise
    from runtime.oci.image import Image  # noqa: PLC0415 - likewise
    from runtime.oci.layout import Layout  # noqa: PLC0415 - likewise

    found = []
    if (store / "oci").is_dir():
        layout = Layout(store / "oci")
        try:
            found += [each.message for each in layout.damages()]
            manifests = [each for each in layout.manifests() if each.media_type != INDEX]  # an index has no layers
            images = [Image.open(layout, each.digest) for each in manifests] if not found else []
            for digest in {each.descriptor.digest for image in images for each in image.layers}:
                if not layout.has(digest):
                    found.append(f"layer {digest} is not in {layout.root}, and an image there needs it")
        except SeatrialError as error:  # a list or a manifest that cannot be read
            found.append(error.message)
    return sorted(set(found)) + _damaged_packages(store / "cache")


def _damaged_packages(folder: Path) -> list[str]:
    """Return the files whose bytes are not those of their names, ``ALGORITHM/xx/HEX``."""
    import hashlib  # noqa: PLC0415 - likewise

    found = []
    for algorithm in ("sha256", "sha512"):
        for path in sorted((folder / algorithm).glob("??/*")):
            if len(path.name) != hashlib.new(algorithm).digest_size * 2:
                continue  # stamps and work in progress
            with path.open("rb") as file:
                if hashlib.file_digest(file, algorithm).hexdigest() != path.name:
                    found.append(str(path))
    return found
