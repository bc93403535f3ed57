"""Exact versions are laid with all that they need, by a registry in a folder."""

import json

import pytest
from tarballs import integrity, tarball

from pipeline.build.ecosystems.npm.registry import locate
from pipeline.build.ecosystems.npm.resolve import resolve_npm
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import read_sources
from pipeline.declare.errors import FetchError, ResolveError


@pytest.fixture
def registry(tmp_path):
    sources = read_sources({"NPM_CONFIG_REGISTRY": f"file://{tmp_path}/registry/"}, tmp_path, root=tmp_path)
    with Fetcher(tmp_path / "cache", sources, locate={"npm": locate}, pause=lambda _: None) as fetcher:
        yield Registry(tmp_path / "registry", fetcher)


class Registry:
    """What a registry says of some packages, written to a folder."""

    def __init__(self, folder, fetcher):
        self.folder, self.fetcher = folder, fetcher
        self.packages = {}

    def has(self, name, version, needs=None, *, latest=True, **more):
        package = self.packages.setdefault(name, {"name": name, "dist-tags": {}, "versions": {}})
        content = tarball(manifest={"name": name, "version": version})
        package["versions"][version] = {"dependencies": needs or {}, "dist": {"integrity": integrity(content)}} | more
        if latest:
            package["dist-tags"]["latest"] = version
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(package))

    def resolve(self, *packages, architecture="amd64", preferred=None):
        found = resolve_npm(packages, architecture, fetcher=self.fetcher, preferred=preferred or {})
        return {each.path.replace("node_modules/", ""): f"{each.name}@{each.version}" for each in found}


def test_what_is_needed_is_laid_flat_and_latest_goes_before_higher(registry):
    registry.has("a", "1.0.0", {"@s/b": "^1.0.0"})
    registry.has("@s/b", "1.1.0")
    registry.has("@s/b", "1.2.0", latest=False)
    assert registry.resolve("a@1.0.0") == {"a": "a@1.0.0", "@s/b": "@s/b@1.1.0"}


def test_highest_in_range_is_taken_but_neither_deprecated_nor_before_an_older_locks(registry):
    registry.has("a", "1.0.0", {"b": "1.x"})
    for version in ("1.1.0", "1.2.0", "2.0.0"):
        registry.has("b", version)
    registry.has("b", "1.3.0", latest=False, deprecated="do not")
    assert registry.resolve("a@1.0.0")["b"] == "b@1.2.0"
    assert registry.resolve("a@1.0.0", preferred={"b": {"1.1.0"}})["b"] == "b@1.1.0"
    assert registry.resolve("a@1.0.0", preferred={"b": {"2.0.0"}})["b"] == "b@1.2.0"


def test_second_version_is_nested_in_the_one_that_needs_it(registry):
    registry.has("a", "1.0.0", {"c": "^1.0.0"})
    registry.has("b", "1.0.0", {"c": "^2.0.0"})
    registry.has("c", "1.0.0")
    registry.has("c", "2.0.0")
    found = registry.resolve("a@1.0.0", "b@1.0.0")
    assert found == {"a": "a@1.0.0", "b": "b@1.0.0", "c": "c@1.0.0", "b/c": "c@2.0.0"}


def test_package_is_laid_deeper_where_it_would_hide_what_another_one_found(registry):
    # p/q needs d 1 from the top; p/r needs d 2: laid into p it would be what p/q finds.
    registry.has("d", "1.0.0")
    registry.has("d", "2.0.0")
    registry.has("q", "1.0.0")
    registry.has("q", "2.0.0", {"d": "1"})
    registry.has("r", "1.0.0")
    registry.has("r", "2.0.0", {"d": "2"})
    registry.has("p", "1.0.0", {"q": "2", "r": "2"})
    found = registry.resolve("d@1.0.0", "p@1.0.0", "q@1.0.0", "r@1.0.0")
    assert found["p/q"] == "q@2.0.0"
    assert found["p/r/d"] == "d@2.0.0"
    assert "p/d" not in found


def test_tag_is_the_version_that_it_stands_for(registry):
    registry.has("a", "1.0.0", {"b": "next"})
    registry.has("b", "1.0.0")
    registry.has("b", "2.0.0-rc.1", latest=False)
    registry.packages["b"]["dist-tags"]["next"] = "2.0.0-rc.1"
    registry.has("b", "0.1.0", latest=False)
    assert registry.resolve("b@1.0.0", "a@1.0.0")["a/b"] == "b@2.0.0-rc.1"


def test_circles_end_and_names_by_alias_are_kept(registry):
    registry.has("a", "1.0.0", {"b": "1"})
    registry.has("b", "1.0.0", {"a": "1", "old": "npm:a@^0.9.0"})
    registry.has("a", "0.9.0", latest=False)
    assert registry.resolve("a@1.0.0") == {"a": "a@1.0.0", "b": "b@1.0.0", "old": "a@0.9.0"}


def test_optional_and_peer_needs_are_as_npm_has_them(registry):
    registry.has("p", "1.0.0")
    registry.has("mac", "1.0.0", os=["darwin"])
    registry.has("arm", "1.0.0", cpu=["arm64"])
    registry.has(
        "a",
        "1.0.0",
        optionalDependencies={"mac": "1", "arm": "1", "gone": "1"},
        peerDependencies={"p": ">=1", "q": "1"},
        peerDependenciesMeta={"q": {"optional": True}},
    )
    assert registry.resolve("a@1.0.0") == {"a": "a@1.0.0", "p": "p@1.0.0"}
    assert "arm" in registry.resolve("a@1.0.0", architecture="arm64")


@pytest.mark.parametrize(
    ("packages", "reason"),
    [
        (("a",), "no package and exact version"),
        (("a@^1.0.0",), "no package and exact version"),
        (("../a@1.0.0",), "no package and exact version"),
        (("a@1.0.0", "a@2.0.0"), "as 1.0.0 and as 2.0.0"),
        (("a@3.0.0",), "there is no a@3.0.0"),
        (("gone@1.0.0",), "there is no gone@1.0.0"),
        (("a@1.0.0",), "a cannot be locked: there is no gone@1"),
        (("a@2.0.0",), "'../x', which is no name"),
        (("mac@1.0.0",), "not made for linux on amd64"),
        (("peer@1.0.0", "b@2.0.0"), "peer cannot be locked: b@1.0.0 has no place beside b@2.0.0"),
        (("git@1.0.0",), "git cannot be locked"),
        (("b@1.0.0", "git@1.0.0"), "git cannot be locked"),
        (("tag@1.0.0",), "there is no b@next"),
    ],
)
def test_what_cannot_be_locked_says_why(registry, packages, reason):
    registry.has("a", "1.0.0", {"gone": "1"})
    registry.has("a", "2.0.0", {"../x": "1"})
    registry.has("b", "1.0.0")
    registry.has("b", "2.0.0")
    registry.has("mac", "1.0.0", os=["darwin"])
    registry.has("peer", "1.0.0", peerDependencies={"b": "1"})
    registry.has("git", "1.0.0", {"b": "git+https://h/b.git"})
    registry.has("tag", "1.0.0", {"b": "next"})
    with pytest.raises(ResolveError) as caught:
        registry.resolve(*packages)
    assert reason in caught.value.message


def test_registry_that_lists_a_weak_hash_or_no_package_is_refused(registry):
    registry.has("a", "1.0.0", dist={"shasum": "0" * 40})
    with pytest.raises(FetchError, match=r"'integrity' of a@1\.0\.0 is refused"):
        registry.resolve("a@1.0.0")
    for text in ("[]", "{}", "{", "[" * 100_000):
        (registry.folder / "b").write_text(text)
        with pytest.raises(FetchError, match="cannot be understood"):
            registry.resolve("b@1.0.0")
