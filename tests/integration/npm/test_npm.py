"""Packages of npm from the configured registry: built to one digest, and laid as npm lays them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.build.ecosystems.npm.install import install_modules
from pipeline.build.ecosystems.npm.lock import lock_npm
from pipeline.build.ecosystems.npm.registry import locate
from pipeline.build.fetch import Fetcher
from pipeline.build.lock import lock_path, read_lock
from pipeline.build.sources import read_sources
from pipeline.declare.image import NodePart

ROOT = Path(__file__).parents[3]
SPEC = "envs/examples/npm.yaml"
ASKED = {"express": "^4.18.0", "chalk": "^4.0.0", "old-ms": "npm:ms@2.0.0", "chokidar": "^3.5.0", "@types/node": "18.x"}

pytestmark = [pytest.mark.network, pytest.mark.bar("5 npm")]


@pytest.fixture
def fetcher(tmp_path):
    with Fetcher(tmp_path / "cache", read_sources(os.environ, Path.home()), locate={"npm": locate}) as fetcher:
        yield fetcher


def tree(folder):
    """Return path → link, or mode and content, of everything but npm's own note of what it did."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file() and name != ".package-lock.json":
            found[name] = (oct(path.stat().st_mode & 0o7777), path.read_bytes())
    return found


@pytest.mark.slow
def test_example_is_built_twice_to_one_digest_with_its_packages_below_the_app(build):
    built = build("examples/npm")
    environment = {**os.environ, "SEATRIAL_STORE": str(built.store)}
    command = [sys.executable, "-m", "pipeline.cli.main", "build", "--check", "--locked", "--json", SPEC]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert (again["image"], again["suite"]) == (built.image.text, built.suite.text)
    image, suite = built.entries(built.image), built.entries(built.suite)
    for path, own, other in (
        ("srv/prices/node_modules/big.js/package.json", image, suite),
        ("srv/prices-tests/node_modules/chai/package.json", suite, image),
    ):
        assert own[path].mode == 0o644
        assert own[path].mtime <= read_lock(lock_path(ROOT / SPEC)).epoch
        assert path not in other


@pytest.mark.slow
def test_bill_of_the_example_names_its_packages_of_npm(build):
    environment = {**os.environ, "SEATRIAL_STORE": str(build("examples/npm").store)}
    for of, expected in (("image", "pkg:npm/big.js@6.2.2"), ("suite", "pkg:npm/chai@4.5.0")):
        command = [sys.executable, "-m", "pipeline.cli.main", "bill", SPEC, "--of", of]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert expected in {each["purl"] for each in json.loads(done.stdout)["components"]}


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed: nothing to compare with")
def test_project_is_laid_as_npm_lays_it(fetcher, tmp_path):
    project, laid = tmp_path / "project", tmp_path / "laid"
    project.mkdir()
    laid.mkdir()
    (project / "package.json").write_text(json.dumps({"name": "p", "version": "1.0.0", "dependencies": ASKED}))
    for command in (["npm", "install", "--package-lock-only"], ["npm", "ci", "--ignore-scripts"]):
        subprocess.run(command, cwd=project, capture_output=True, check=True, umask=0o022)
    modules = lock_npm(NodePart(project="project"), tmp_path, "amd64", fetcher=fetcher, old=())
    files = fetcher.fetch_all(each.package.artifact for each in modules)
    install_modules(modules, files, laid, to="")
    assert tree(laid / "node_modules") == tree(project / "node_modules")


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed: nothing to compare with")
def test_exact_versions_are_resolved_as_npm_resolves_them(fetcher, tmp_path):
    asked = {"express": "4.18.2", "tape": "5.7.0", "@babel/core": "7.20.2"}
    (tmp_path / "package.json").write_text(json.dumps({"name": "p", "version": "1.0.0", "dependencies": asked}))
    subprocess.run(["npm", "install", "--package-lock-only"], cwd=tmp_path, capture_output=True, check=True)
    locked = json.loads((tmp_path / "package-lock.json").read_text())["packages"]
    expected = {path: each["version"] for path, each in locked.items() if path}
    part = NodePart(packages=tuple(f"{name}@{version}" for name, version in asked.items()))
    modules = lock_npm(part, tmp_path, "amd64", fetcher=fetcher, old=())
    assert {path: each.package.version for each in modules for path in each.paths} == expected
