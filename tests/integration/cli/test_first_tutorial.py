"""The tutorial of differences: its files, and every command of the page in its order, as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "tutorial" / "find-a-difference.md"
LOCK = Path(__file__).with_name("shop.lock.json")
"""What `verify` locked when this was written. If it fits what `init` writes no more, `verify` makes another."""

DEMANDED = " --hosts hardened,umask-0077,locale-c"
"""What `verify` is given beside what the page says, to try few hosts."""

pytestmark = [pytest.mark.network, pytest.mark.bar("1 tutorial")]


@pytest.fixture(params=[DEMANDED, pytest.param("", marks=pytest.mark.slow)], ids=["few", "all"])
def shop(tmp_path, request):
    """The folder of the page with its files, and the two programs on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, verb, more in (("seatrial", "", ""), ("verify", "verify ", request.param)):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline.cli.main {verb}"$@"{more}\n')
        (programs / name).chmod(0o755)
    folder = tmp_path / "shop"
    (folder / "envs").mkdir(parents=True)
    shutil.copy(LOCK, folder / "envs")
    for name, text in re.findall(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_commands_of_the_page_do_what_it_says(store, shop):
    environment = {
        **os.environ,
        "PATH": f"{shop.parent / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SEATRIAL_STORE": str(store),
    }

    def run(command):
        return subprocess.run(
            ["bash", "-c", command], cwd=shop, env=environment, capture_output=True, text=True, check=False
        )

    prose = re.sub(r"```.*?```", "", PAGE.read_text(), flags=re.DOTALL)
    init, first, reproducer, code, tests, second = re.findall(r"^    (\S.*)$", prose, re.MULTILINE)
    assert run(init).returncode == 0
    found = run(first)
    assert found.returncode == 1, found.stderr
    assert re.search(
        r"^FAILED +shop behaves differently where umask is 0077 and where locale is C\.$", found.stdout, re.MULTILINE
    )
    assert "it fails 8 of 8 times with umask=0077, 0 of 8 without" in found.stdout
    assert run(reproducer).returncode == 1
    assert run(reproducer.replace(" --set umask=0077", "")).returncode == 0
    for each in (code, tests):
        assert run(each).returncode == 0
    mended = run(second)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "PASSED    shop" in mended.stdout
