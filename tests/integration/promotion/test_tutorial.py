"""The tutorial of promotions: every command of the page, in its order, as it stands there."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "tutorial" / "promote.md"

DEMANDED = " --hosts read-only,hardened,umask-0077,timezone-kolkata,locale-c"
"""What `verify` is given beside what the page says, to try only the hosts that the stages demand."""

pytestmark = [pytest.mark.network, pytest.mark.bar("1 tutorial")]


def answers():
    """Ask the service where the page says that it is."""
    with urllib.request.urlopen("http://127.0.0.1:8000/healthz", timeout=10) as answer:
        return answer.status


@pytest.fixture(params=[DEMANDED, pytest.param("", marks=pytest.mark.slow)], ids=["demanded", "all"])
def checkout(tmp_path, request):
    """What the page uses of a checkout, and its two programs."""
    (tmp_path / "pyproject.toml").touch()
    envs = tmp_path / "envs"
    envs.mkdir()
    for each in ("web.yaml", "web.lock.json"):
        shutil.copy(ROOT / "envs" / each, envs / each)
    shutil.copytree(ROOT / "envs" / "examples" / "web", envs / "examples" / "web")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, verb, more in (("seatrial", "", ""), ("verify", "verify ", request.param)):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline.cli.main {verb}"$@"{more}\n')
        (programs / name).chmod(0o755)
    return tmp_path


def test_commands_of_the_page_do_what_it_says(build, checkout):
    built = build("web")
    environment = {
        **os.environ,
        "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SEATRIAL_STORE": str(built.store),
    }

    def run(command):
        done = subprocess.run(
            ["bash", "-c", command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def live():
        stages = json.loads(run("seatrial status web --json"))["stages"]
        return {each["stage"]: each["live"] for each in stages}

    def deployed():
        return json.loads(run("seatrial drift web --stage prod --json"))["image"]

    commands = re.findall(r"^    (\S.*)$", PAGE.read_text(), re.MULTILINE)
    first = commands.index("seatrial status web")
    changed = commands.index('echo "# second version" >> envs/examples/web/app/serve.py')
    back = commands.index("seatrial rollback web --stage prod")
    last = commands.index("seatrial scale web --stage prod 0")
    try:
        for each in commands[: first + 1]:
            run(each)
        assert live() == dict.fromkeys(("dev", "test", "prod"), built.image.text)
        for each in commands[first + 1 : changed]:
            run(each)
        assert answers() == 200
        for each in commands[changed:back]:
            run(each)
        (second,) = set(live().values())
        assert second != built.image.text
        assert deployed() == second
        shown = [run(each) for each in commands[back:last]]
        assert live() == {"dev": second, "test": second, "prod": built.image.text}
        assert deployed() == built.image.text
        assert answers() == 200
        assert sum("no drift" in each for each in shown) == 1
    finally:
        run(commands[last])
    with pytest.raises(urllib.error.URLError):
        answers()
    assert "deployed: nothing; the last was" in run("seatrial status web")
