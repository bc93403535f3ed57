"""Whose what a spec lays is: told by the entries alone, whatever the layers under it."""


import pytest

from pipeline.build.files import find_files
from pipeline.build.given import Gift, gifts_of, give, owners_of, parse_owner
from pipeline.declare.image import LocalFiles

APP, OTHER = (1000, 1000), (33, 7)


def gift(*paths, top="", owner=APP):
    return Gift(paths=paths, top=top, owner=owner)


@pytest.mark.parametrize(("text", "owner"), [(None, (0, 0)), ("0:0", (0, 0)), ("1000:33", (1000, 33))])
def test_owner_is_read(text, owner):
    assert parse_owner(text) == owner


def test_files_and_folders_below_the_place_have_the_owner_and_those_above_have_not():
    assert owners_of([gift("srv/app/sub/file", top="srv/app")]) == dict.fromkeys(
        ["srv/app", "srv/app/sub", "srv/app/sub/file"], APP
    )


def test_place_that_is_the_file_itself_gives_no_folder():
    assert owners_of([gift("etc/app.conf", top="etc/app.conf")]) == {"etc/app.conf": APP}


def test_place_at_the_top_gives_all_folders_of_it():
    assert owners_of([gift("opt/tool/file", top="")]) == dict.fromkeys(["opt", "opt/tool", "opt/tool/file"], APP)


def test_folder_whose_name_begins_as_the_place_is_another_one():
    assert owners_of([gift("srv/apple/file", top="srv/app")]) == {"srv/apple/file": APP}


def test_later_entry_has_the_last_word_of_a_file_and_root_has_none_of_a_folder():
    first, second = gift("srv/a", "srv/b", top="srv"), gift("srv/b", top="srv", owner=(0, 0))
    assert owners_of([first, second]) == {"srv": APP, "srv/a": APP}
    assert owners_of([second, gift("srv/b", top="srv", owner=OTHER)]) == {"srv": OTHER, "srv/b": OTHER}


def test_local_files_bring_the_owner_of_the_later_entry(tmp_path):
    (tmp_path / "app").mkdir()
    for name in ("one", "two"):
        (tmp_path / "app" / name).touch()
    entries = [
        LocalFiles.model_validate({"from": "app", "to": "/srv", "owner": "1000:1000"}),
        LocalFiles.model_validate({"from": "app/two", "to": "/srv/two"}),
    ]
    assert owners_of(gifts_of(find_files(entries, tmp_path))) == {"srv": APP, "srv/one": APP}


def test_nothing_is_looked_at_where_all_is_roots(tmp_path):
    give(tmp_path / "not-there", (), [gift("a", owner=(0, 0))])
    assert list(tmp_path.iterdir()) == []
