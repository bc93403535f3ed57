"""Platforms are data: each says where it is from, what it is, what is missing, and only levels that exist."""

import re
from pathlib import Path

import pytest

from pipeline.declare.hosts import BUILT_IN
from pipeline.declare.platforms import platforms, split_about, to_markdown
from runtime.digest import Digest
from runtime.factors import factor
from runtime.plan import Plan, User, Variant

ROOT = Path(__file__).parents[3]
PLATFORMS = {each.name: each for each in platforms()}
WANTED = {
    "air-gapped",
    "aws-fargate",
    "aws-lambda",
    "cloud-run",
    "docker-default",
    "docker-desktop-mac",
    "github-actions",
    "gitlab-runner",
    "kubernetes-restricted",
    "macos-laptop",
    "old-docker",
    "openshift",
    "podman-rootless",
    "raspberry-pi",
    "rhel-8",
}


@pytest.fixture
def plan():
    images = {name: Digest.of(name.encode()) for name in ("amd64", "arm64")}
    return Plan(
        image=images["amd64"],
        suite=None,
        argv=("python3",),
        workdir="/app",
        environment={},
        user=User(uid=1000, gid=1000, home="/home/app"),
        capabilities=(),
        variants=tuple(Variant(architecture=name, image=image, suite=None) for name, image in images.items()),
    )


def test_page_of_platforms_is_what_their_files_say():
    assert (ROOT / "docs/reference/platforms.md").read_text() == to_markdown()


def test_platforms_that_apps_are_moved_to_are_there():
    assert set(PLATFORMS) >= WANTED


@pytest.mark.parametrize("name", PLATFORMS)
def test_platform_names_its_documentation_and_what_is_missing(name):
    host = PLATFORMS[name]
    assert re.fullmatch(r"https://[a-z0-9.-]+/\S+", host.source)
    assert all(len(each.split()) > 3 for each in split_about(host)), host.about
    assert host.about.count(".") == len(re.findall(r"\d\.\d|\.md", host.about)), "one sentence"


@pytest.mark.parametrize("name", PLATFORMS)
def test_platform_applies_to_a_plan_and_changes_it(name, plan):
    host = PLATFORMS[name]
    assert dict(host.differing) == dict(host.factors), "a level that is the reference's says nothing"
    assert host.apply(plan).levels == host.differing


@pytest.mark.parametrize("name", PLATFORMS)
def test_platform_asks_for_nothing_that_no_runtime_has(name):
    host = PLATFORMS[name]
    runtimes = {host.level("runtime")} if host.level("kernel") == "as-is" else {"qemu"}
    for each, level in host.differing.items():
        assert factor(each).carriers(level) & runtimes, f"{each}={level} on {runtimes}"


def test_file_of_a_platform_quotes_only_pages():
    for name in PLATFORMS:
        for line in (BUILT_IN / f"{name}.yaml").read_text().splitlines():
            for found in re.findall(r"http\S+", line):
                assert found.startswith("https://")
