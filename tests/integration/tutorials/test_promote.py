"""The tutorial of promotions: every command of the page, in its order, as it stands there."""

import json
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from reader import ROOT, Reader

DEMANDED = " --hosts read-only,hardened,umask-0077,timezone-kolkata,locale-c"
"""The hosts that the stages demand."""

pytestmark = [pytest.mark.network, pytest.mark.bar("1 tutorial")]


def answers():
    """Ask the service where the page says that it is."""
    with urllib.request.urlopen("http://127.0.0.1:8000/healthz", timeout=10) as answer:
        return answer.status


@pytest.fixture(params=[DEMANDED, pytest.param("", marks=pytest.mark.slow)], ids=["demanded", "all"])
def reader(tmp_path, build, request):
    """What the page uses of a checkout."""
    folder = tmp_path / "checkout"
    envs = folder / "envs"
    envs.mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    for each in ("web.yaml", "web.lock.json"):
        shutil.copy(ROOT / "envs" / each, envs / each)
    shutil.copytree(ROOT / "envs" / "examples" / "web", envs / "examples" / "web")
    return Reader("promote.md", folder, build("web").store, request.param)


def test_commands_of_the_page_do_what_it_says(build, reader):
    image = build("web").image.text

    def live():
        stages = json.loads(reader.type("seatrial status web --json"))["stages"]
        return {each["stage"]: each["live"] for each in stages}

    def deployed():
        return json.loads(reader.type("seatrial drift web --stage prod --json"))["image"]

    commands = reader.commands
    first = commands.index("seatrial status web")
    changed = commands.index('echo "# second version" >> envs/examples/web/app/serve.py')
    back = commands.index("seatrial rollback web --stage prod")
    last = commands.index("seatrial scale web --stage prod 0")
    try:
        for each in commands[: first + 1]:
            reader.type(each)
        assert live() == dict.fromkeys(("dev", "test", "prod"), image)
        for each in commands[first + 1 : changed]:
            reader.type(each)
        assert answers() == 200
        for each in commands[changed:back]:
            reader.type(each)
        (second,) = set(live().values())
        assert second != image
        assert deployed() == second
        shown = [reader.type(each) for each in commands[back:last]]
        assert live() == {"dev": second, "test": second, "prod": image}
        assert deployed() == image
        assert answers() == 200
        assert sum("no drift" in each for each in shown) == 1
    finally:
        reader.type(commands[last])
    with pytest.raises(urllib.error.URLError):
        answers()
    assert "deployed: nothing; the last was" in reader.type("seatrial status web")
