"""The upper directory of an overlay, when marks of the kernel's are replaced by what they hide."""

import os
import stat

import pytest

from runtime.oci.folder import OPAQUE
from runtime.oci.upper import settle_upper


@pytest.fixture
def settled(tmp_path):
    """Settle an upper directory over others, and give the names in it: ``-name`` is a whiteout, ``name/`` a folder."""

    def lay(name, paths):
        folder = tmp_path / name
        folder.mkdir()
        for each in paths:
            path = folder / each.lstrip("-!").rstrip("/")
            if each.startswith("-"):
                os.mknod(path, stat.S_IFCHR, 0)
            elif each.endswith("/"):
                path.mkdir()
            else:
                path.write_text(each)
            if each.startswith("!"):
                os.setxattr(path, OPAQUE, b"y")
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def settle(upper, *below):
        opened = [lay("upper", upper), *(lay(f"below{number}", paths) for number, paths in enumerate(below))]
        settle_upper(*opened)
        for each in opened:
            os.close(each)
        found = []
        for path in sorted((tmp_path / "upper").rglob("*")):
            name = str(path.relative_to(tmp_path / "upper"))
            assert path.is_char_device() or OPAQUE not in os.listxattr(path)
            found.append(f"-{name}" if path.is_char_device() else f"{name}/" if path.is_dir() else name)
        return sorted(found)

    return settle


def test_new_folder_needs_no_mark(settled):
    assert settled(["!a/", "a/b"], ["c"]) == ["a/", "a/b"]


def test_what_a_folder_hides_gets_whiteouts(settled):
    assert settled(["!a/", "a/b"], ["a/", "a/b", "a/c", "a/d/"]) == ["-a/c", "-a/d", "a/", "a/b"]


def test_folder_that_hides_nothing_is_as_it_was(settled):
    assert settled(["a/", "a/b", "-c"], ["a/", "a/d", "c"]) == ["-c", "a/", "a/b"]


def test_what_a_layer_hides_already_needs_no_whiteout(settled):
    assert settled(["!a/"], ["a/", "a/b", "a/c"], ["a/", "-a/b"]) == ["-a/c", "a/"]


def test_layer_below_an_opaque_one_shows_nothing(settled):
    assert settled(["!a/"], ["a/", "a/b"], ["!a/", "a/c"]) == ["-a/c", "a/"]


def test_layer_below_a_file_shows_nothing(settled):
    assert settled(["!a/"], ["a/", "a/b"], ["a"]) == ["a/"]


def test_marks_in_folders_are_found(settled):
    assert settled(["a/", "!a/b/"], ["a/", "a/b/", "a/b/c"]) == ["-a/b/c", "a/", "a/b/"]
