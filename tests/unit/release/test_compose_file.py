"""The file of Compose that is kept, where somebody else has changed it."""

import re

import pytest
import yaml

from pipeline.declare.errors import TargetError
from pipeline.release.targets.compose_file import keep_services, read_names

KEPT = {
    "x-seatrial": {"project": "web-prod-3"},
    "services": {
        "replica-1": {"container_name": "web.prod.3.a.1"},
        "replica-2": {"container_name": "web.prod.3.a.2"},
    },
    "networks": {"default": {"external": True}},
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "compose.lock.yaml"
    path.write_text(yaml.safe_dump(KEPT))
    return path


def test_names_are_read_as_they_were_written(path):
    assert read_names(path) == ("web-prod-3", {1: "web.prod.3.a.1", 2: "web.prod.3.a.2"})


def test_services_that_are_left_are_kept_with_all_else(path):
    keep_services(path, {"replica-2"})
    assert yaml.safe_load(path.read_text()) == {**KEPT, "services": {"replica-2": KEPT["services"]["replica-2"]}}
    keep_services(path, set())
    assert not path.exists()


def test_file_that_is_not_there_has_nothing(tmp_path):
    keep_services(tmp_path / "gone", {"replica-1"})
    assert read_names(tmp_path / "gone") == ("", {})


@pytest.mark.parametrize(
    "text",
    ["", "[", "5", "services: 5", "services:", "x-seatrial: {}", "a: 2026-99-99", "[" * 5000, "\0", "\ud800"],
    ids=repr,
)
@pytest.mark.parametrize("use", [read_names, lambda path: keep_services(path, {"replica-1"})], ids=["read", "keep"])
def test_damaged_file_is_named_and_left_as_it_is(path, use, text):
    path.write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(TargetError, match=re.escape(str(path))) as caught:
        use(path)
    assert "deploy the app again" in caught.value.hint
    assert path.read_bytes() == text.encode(errors="surrogatepass")


@pytest.mark.parametrize("services", [{"web": {"container_name": "a"}}, {"replica-1": 5}, {"replica-1": {}}])
def test_services_that_have_no_name_of_ours_are_named(path, services):
    path.write_text(yaml.safe_dump({**KEPT, "services": services}))
    with pytest.raises(TargetError, match=re.escape(str(path))):
        read_names(path)
