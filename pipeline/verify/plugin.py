"""What a run of a pytest suite gets beside its tools: the plug-in that reports, and the file that says what to run."""

import json
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from types import MappingProxyType

from runtime.plan import PYTEST_RESULTS, SELECTION, TRACED, File

TOOLS = "/.seatrial/python"
"""Where the tools of a suite lie, last on the path of the interpreter."""

TREE = "/.seatrial/tree.json"
"""Where the plug-in reads which paths belong to the suite, to tell what shadows the app."""

RESULTS = PYTEST_RESULTS
"""Where the plug-in writes: the ``results`` of a plan whose suite reports by pytest."""

PTH = f"{TOOLS}\n".encode()
"""Content of the one ``.pth`` file, for the last site folder of the interpreter."""

_INFORMATION = "seatrial_pytest-1.dist-info"
_NUMBER = re.compile(r"#[1-9][0-9]*$")


def plugin_files() -> Mapping[str, bytes]:
    """Return the files of the plug-in, by path relative to ``TOOLS``: the module, and what makes pytest find it."""
    module = files("pipeline.verify.plugins").joinpath("seatrial_pytest.py").read_bytes()
    return MappingProxyType(
        {
            "seatrial_pytest.py": module,
            f"{_INFORMATION}/METADATA": b"Metadata-Version: 2.1\nName: seatrial-pytest\nVersion: 1\n",
            f"{_INFORMATION}/RECORD": b"",
            f"{_INFORMATION}/entry_points.txt": b"[pytest11]\nseatrial = seatrial_pytest\n",
        }
    )


def tree_content(paths: Iterable[str]) -> bytes:
    """Return the content of ``TREE``.

    Args:
        paths: absolute paths of the run that the suite's own ``files`` brought: files, or folders wholly theirs.
    """
    return json.dumps({"paths": sorted(set(paths))}, separators=(",", ":")).encode()


def traced_file() -> File:
    """Return the file that makes a run a traced one: it is the code by which each test tells what it touches."""
    code = files("pipeline.verify.plugins").joinpath("seatrial_touches.py").read_bytes()
    return File(path=TRACED, content=code)


def selection_file(ids: Iterable[str]) -> File:
    """Return the file that makes a run execute these tests only.

    Args:
        ids: canonical ids. Tests that share an id cannot be told apart from outside, so ``#2`` selects all of them.
    """
    names = {name for each in ids for name in (each, _NUMBER.sub("", each))}
    return File(path=SELECTION, content=json.dumps(sorted(names), separators=(",", ":")).encode())
