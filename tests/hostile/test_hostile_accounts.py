"""A tree whose /etc or account files are links: the account files of this machine are neither read nor taken."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "simulators"))

from mutant import disabled

from pipeline.build.owners import add_user, refuse_links
from pipeline.declare.errors import BuildError
from pipeline.declare.image import BuiltImage

OWNERS = "pipeline.build.owners"
SECRET = "root:$y$secret:19000::::::\n"  # noqa: S105 - what a machine's own file holds


@pytest.fixture
def trees(tmp_path):
    """A layer below, an empty one over it, and a folder of this machine with accounts."""
    for name in ("below", "layer", "host"):
        (tmp_path / name).mkdir()
    for name in ("passwd", "group", "shadow", "gshadow"):
        (tmp_path / "host" / name).write_text(SECRET)
    return tmp_path


def _add(trees):
    add_user(trees / "layer", (trees / "below",), BuiltImage(debian="bookworm"), epoch=0)
    return "".join(each.read_text() for each in sorted((trees / "layer" / "etc").iterdir()))


def etc_is_a_link(trees):
    (trees / "below" / "etc").symlink_to(trees / "host")


def shadow_is_a_link(trees):
    (trees / "below" / "etc").mkdir()
    (trees / "below" / "etc" / "shadow").symlink_to(trees / "host" / "shadow")


def shadow_is_a_pipe(trees):
    (trees / "below" / "etc").mkdir()
    os.mkfifo(trees / "below" / "etc" / "shadow")


CASES = {
    etc_is_a_link: ("is not followed", "os.open(layer / folder, _FOLDER)", "os.open(layer / folder, os.O_RDONLY)"),
    shadow_is_a_link: ("", "os.open(name, _FILE, dir_fd=above)", "os.open(name, os.O_RDONLY, dir_fd=above)"),
    shadow_is_a_pipe: ("", "if stat.S_ISREG(status.st_mode) else None", "if True else None"),
}
"""What is wrong with the tree → what the refusal says, if it is one; the check, and what stands there without it."""


@pytest.mark.parametrize("wrong", CASES, ids=[each.__name__ for each in CASES])
def test_account_files_of_this_machine_are_not_read(wrong, trees):
    wrong(trees)
    part = CASES[wrong][0]
    if part:
        with pytest.raises(BuildError, match=part):
            _add(trees)
    else:
        assert "app:" not in _add(trees)


@pytest.mark.parametrize("wrong", CASES, ids=[each.__name__ for each in CASES])
def test_account_files_are_taken_without_the_check(wrong, trees):
    wrong(trees)
    with disabled(OWNERS, *CASES[wrong][1:]):
        assert "app:" in _add(trees)


def test_file_through_a_link_of_the_image_is_refused(trees):
    (trees / "below" / "usr" / "bin").mkdir(parents=True)
    (trees / "below" / "bin").symlink_to("usr/bin")
    refuse_links(["usr/bin/tool", "srv/tool", "bin"], (trees / "below",))
    with pytest.raises(BuildError, match="/bin/tool leads through /bin, which is a link to 'usr/bin'") as refused:
        refuse_links(["srv/tool", "bin/tool"], (trees / "layer", trees / "below"))
    assert refused.value.hint == "write 'to: /usr/bin/tool'"
    with disabled(OWNERS, "            if target:\n", "            if False:\n"):
        refuse_links(["bin/tool"], (trees / "below",))


def test_folder_of_a_nearer_layer_hides_a_link(trees):
    (trees / "below" / "opt").symlink_to("/etc")
    (trees / "layer" / "opt").mkdir()
    refuse_links(["opt/tool"], (trees / "layer", trees / "below"))


def test_account_files_of_the_tree_get_the_user(trees):
    (trees / "below" / "etc").mkdir()
    (trees / "below" / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    assert _add(trees) == "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"
