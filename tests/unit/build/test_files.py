"""Local files: what is taken, what counts, what is refused."""

import os

import pytest

from pipeline.build.files import files_digest, find_files, lay_files, with_content
from pipeline.declare.errors import BuildError
from pipeline.declare.image import LocalFiles, StageFiles


@pytest.fixture
def app(tmp_path):
    folder = tmp_path / "app"
    (folder / "sub").mkdir(parents=True)
    (folder / "main.py").write_text("print()\n")
    (folder / "sub" / "data.txt").write_text("x")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o700)
    return folder


def entry(**keys):
    return LocalFiles.model_validate({"from": "app", "to": "/srv", **keys})


def paths(found):
    return [each.path for each in found]


def test_files_of_folder_are_sorted_below_their_place(app):
    found = find_files([entry()], app.parent)
    assert paths(found) == ["srv/main.py", "srv/run.sh", "srv/sub/data.txt"]


def test_executable_bit_is_all_that_counts_of_a_mode(app):
    (app / "main.py").chmod(0o600)
    assert [each.mode for each in find_files([entry()], app.parent)] == [0o644, 0o755, 0o644]


def test_digest_ignores_times_and_modes_but_not_content(app):
    before = files_digest(with_content(find_files([entry()], app.parent)))
    os.utime(app / "main.py", (1, 1))
    (app / "main.py").chmod(0o640)
    assert files_digest(with_content(find_files([entry()], app.parent))) == before
    (app / "main.py").write_text("print(1)\n")
    assert files_digest(with_content(find_files([entry()], app.parent))) != before


def test_gitignore_inside_the_folder_is_honored_and_can_be_taken_back_below(app):
    (app / ".gitignore").write_text("*.txt\n")
    assert "srv/sub/data.txt" not in paths(find_files([entry()], app.parent))
    (app / "sub" / ".gitignore").write_text("!data.txt\n")
    assert "srv/sub/data.txt" in paths(find_files([entry()], app.parent))


def test_gitignore_above_the_folder_is_not_honored(app):
    (app.parent / ".gitignore").write_text("*\n")
    assert "srv/main.py" in paths(find_files([entry()], app.parent))


def test_only_takes_what_matches(app):
    assert paths(find_files([entry(only=["sub"])], app.parent)) == ["srv/sub/data.txt"]


def test_only_that_matches_nothing_is_an_error(app):
    with pytest.raises(BuildError, match="nothing in it matches 'only: tests'"):
        find_files([entry(only=["tests"])], app.parent)


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "sub/../../secret"])
def test_link_that_leaves_the_folder_is_refused(app, target):
    (app / "link").symlink_to(target)
    with pytest.raises(BuildError, match="outside of"):
        find_files([entry()], app.parent)


def test_link_inside_the_folder_is_kept_as_written(app):
    (app / "sub" / "link").symlink_to("../main.py")
    found = {each.path: each.target for each in find_files([entry()], app.parent)}
    assert found["srv/sub/link"] == "../main.py"


def test_pipe_is_refused(app):
    os.mkfifo(app / "pipe")
    with pytest.raises(BuildError, match="neither a file"):
        find_files([entry()], app.parent)


def test_laid_files_have_the_epoch_and_their_modes(app, tmp_path):
    root = tmp_path / "tree"
    root.mkdir()
    lay_files(with_content(find_files([entry()], app.parent)), root, epoch=1000)
    status = (root / "srv" / "run.sh").stat()
    assert (status.st_mode & 0o7777, status.st_mtime) == (0o755, 1000)
    assert (root / "srv" / "sub" / "data.txt").read_text() == "x"


@pytest.mark.parametrize("content", ["print(1)\n", "", "print()\nprint()\n"])
def test_file_that_changes_while_it_is_laid_is_refused(app, tmp_path, content):
    found = with_content(find_files([entry()], app.parent))
    (app / "main.py").write_text(content)
    (tmp_path / "tree").mkdir()
    with pytest.raises(BuildError, match=r"main\.py changed while the image was built"):
        lay_files(found, tmp_path / "tree", epoch=1000)


def test_file_that_became_a_pipe_is_not_waited_for(app, tmp_path):
    found = with_content(find_files([entry()], app.parent))
    (app / "main.py").unlink()
    os.mkfifo(app / "main.py")
    (tmp_path / "tree").mkdir()
    with pytest.raises(BuildError, match="changed while"):
        lay_files(found, tmp_path / "tree", epoch=1000)


def test_file_that_went_is_named(app):
    found = find_files([entry()], app.parent)
    (app / "main.py").unlink()
    with pytest.raises(BuildError, match=r"main\.py cannot be read: No such file"):
        with_content(found)


def test_single_file_goes_to_its_place(app):
    found = find_files([LocalFiles.model_validate({"from": "app/main.py", "to": "/opt/tool"})], app.parent)
    assert paths(found) == ["opt/tool"]


def taken(**keys):
    return StageFiles.model_validate({"stage": "build", "from": "/out/app", "to": "/srv", **keys})


@pytest.fixture
def stages(app):
    """Return the folder of what was taken from a stage: the app, as if its commands had made it."""
    (app.parent / "stage" / "out").mkdir(parents=True)
    app.rename(app.parent / "stage" / "out" / "app")
    return {"build": app.parent / "stage"}


def test_files_of_a_stage_are_laid_as_local_ones_are(app, stages):
    found = find_files([taken()], app.parent, stages)
    assert [(each.path, each.mode) for each in found] == [
        ("srv/main.py", 0o644),
        ("srv/run.sh", 0o755),
        ("srv/sub/data.txt", 0o644),
    ]
    one = find_files([taken(**{"from": "/out/app/run.sh", "to": "/usr/bin/run", "mode": "4755"})], app.parent, stages)
    assert [(each.path, each.mode) for each in one] == [("usr/bin/run", 0o4755)]


def test_only_of_files_of_a_stage_leaves_out_the_rest(app, stages):
    assert paths(find_files([taken(only=["sub"])], app.parent, stages)) == ["srv/sub/data.txt"]
    with pytest.raises(BuildError, match="'only: nothing'"):
        find_files([taken(only=["nothing"])], app.parent, stages)


def test_what_git_ignores_is_taken_from_a_stage(app, stages):
    folder = stages["build"] / "out" / "app"
    (folder / ".gitignore").write_text("*.py\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "main.pyc").touch()
    assert {"srv/main.py", "srv/__pycache__/main.pyc"} <= set(paths(find_files([taken()], app.parent, stages)))


@pytest.mark.parametrize("is_later", [True, False])
def test_later_of_two_entries_for_one_path_wins_whichever_is_of_a_stage(app, stages, is_later):
    (app.parent / "own.py").write_text("own\n")
    entries = [entry(**{"from": "own.py", "to": "/srv/main.py"}), taken()]
    found = find_files(entries if is_later else entries[::-1], app.parent, stages)
    (main,) = (each for each in found if each.path == "srv/main.py")
    assert main.source.is_relative_to(stages["build"]) is is_later
