import os

import deployment


def test_new_release_is_in_place():
    deployment.deploy({"news.txt": "Open again."})
    assert deployment.page("news.txt") == "Open again."
    assert deployment.page("welcome.txt") == "Welcome."


def test_release_and_previous_one_are_neighbors():
    assert os.path.dirname(deployment.RELEASE) == os.path.dirname(deployment.PREVIOUS)
