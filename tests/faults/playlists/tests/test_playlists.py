import playlists
import pytest


@pytest.fixture
def playlist():
    made = playlists.Playlist("party")
    yield made
    made.remove()


def test_song_is_added(playlist):
    playlist.add("Blue Danube")
    assert playlist.songs() == ["Blue Danube"]


def test_new_list_is_empty(playlist):
    assert playlist.songs() == []


def test_list_has_a_file_name():
    assert playlists.file_name("Summer 2025") == "summer-2025.m3u"
