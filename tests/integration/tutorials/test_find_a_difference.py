"""The tutorial of differences: its files, and every command of the page in its order, as it stands there."""

import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from reader import Reader

LOCK = Path(__file__).with_name("shop.lock.json")
"""What `verify` locked when this was written. If it fits what `init` writes no more, `verify` makes another."""

FEW = " --hosts hardened,umask-0077,locale-c"

pytestmark = [pytest.mark.network, pytest.mark.bar("1 tutorial")]


@pytest.fixture(params=[FEW, pytest.param("", marks=pytest.mark.slow)], ids=["few", "all"])
def reader(tmp_path, store, request):
    """The folder of the page, with its files."""
    folder = tmp_path / "shop"
    (folder / "envs").mkdir(parents=True)
    shutil.copy(LOCK, folder / "envs")
    made = Reader("find-a-difference.md", folder, store, request.param)
    for name, text in re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", made.page, re.DOTALL):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return made


def test_commands_of_the_page_do_what_it_says(reader):
    init, first, reproducer, code, tests, second = reader.commands
    reader.type(init)
    found = reader.type(first, code=1)
    said = r"^FAILED +shop behaves differently where umask is 0077 and where locale is C\.$"
    assert re.search(said, found, re.MULTILINE)
    assert "it fails 8 of 8 times with umask=0077, 0 of 8 without" in found
    reader.type(reproducer, code=1)
    reader.type(reproducer.replace(" --set umask=0077", ""))
    reader.type(code)
    reader.type(tests)
    assert "PASSED    shop" in reader.type(second)
