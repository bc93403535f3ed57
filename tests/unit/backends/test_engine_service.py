"""An engine that does not answer: what is said, and the one command that helps."""

import re

import pytest

from runtime.backends.engines.service import Service, remedy
from runtime.errors import BackendError

ONE = re.compile(r"run `[^`]+`(, and log in again)?")


@pytest.mark.parametrize(("name", "command"), [("docker", "docker"), ("podman", "podman system service")])
def test_engine_that_is_not_there_is_told_with_one_command(name, command, tmp_path):
    with pytest.raises(BackendError, match=f"{name} does not answer at unix:") as caught:
        Service(name, f"unix://{tmp_path}/nobody").connect()
    assert ONE.fullmatch(caught.value.hint)
    assert command in caught.value.hint


def test_engine_that_others_may_use_is_told_with_the_command_that_permits_it():
    assert remedy("docker", PermissionError()) == "run `sudo usermod -aG docker $USER`, and log in again"
    assert ONE.fullmatch(remedy("docker", ConnectionRefusedError()))
