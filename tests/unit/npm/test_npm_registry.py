"""Where registries are, and what is taken of them, by tarballs in a folder that stands for one."""

import json

import pytest
from tarballs import integrity, tarball

from pipeline.build.artifact import Artifact
from pipeline.build.ecosystems.npm.integrity import Integrity
from pipeline.build.ecosystems.npm.package_lock import Entry
from pipeline.build.ecosystems.npm.registry import locate, pin_all
from pipeline.build.fetch import Fetcher
from pipeline.build.npm_settings import read_npm_settings
from pipeline.build.sources import PUBLIC_REGISTRY, read_sources
from pipeline.declare.errors import FetchError, MissingError, PackageError
from pipeline.registry.access import authorization_of
from pipeline.registry.http import Connections


@pytest.fixture
def registry(tmp_path):
    """A folder of tarballs, and what fetches from there."""
    sources = read_sources({"NPM_CONFIG_REGISTRY": f"file://{tmp_path}/registry/"}, tmp_path, root=tmp_path)
    with Fetcher(tmp_path / "cache", sources, locate={"npm": locate}) as fetcher:
        yield tmp_path / "registry", fetcher


def publish(folder, name, version, content):
    file = folder / name / "-" / f"{name.rpartition('/')[2]}-{version}.tgz"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def entry(name, content, *, path="", version="1.0.0"):
    listed = Integrity.parse(integrity(content))
    return Entry(path=path or f"node_modules/{name}", name=name, version=version, integrity=listed)


def pin(fetcher, *entries, old=(), skip=frozenset()):
    return pin_all(entries, fetcher, old=old, skip_scripts=skip)


def test_pin_verifies_and_counts_and_needs_no_second_download(registry):
    folder, fetcher = registry
    content = tarball(manifest={"name": "@s/a", "version": "1.0.0"})
    publish(folder, "@s/a", "1.0.0", content)
    two = (entry("@s/a", content), entry("@s/a", content, path="node_modules/b/node_modules/@s/a"))
    (found,) = pin(fetcher, *two)
    assert found.paths == ("node_modules/@s/a", "node_modules/b/node_modules/@s/a")
    assert found.package.artifact.source == "npm:@s/a@1.0.0"
    assert found.package.artifact.size == len(content)
    (folder / "@s/a/-/a-1.0.0.tgz").unlink()
    assert pin(fetcher, *two) == (found,)
    assert pin(fetcher, *two, old=(found,)) == (found,)
    assert str(folder) not in json.dumps(found.to_json())


def test_other_bytes_than_listed_are_refused_and_not_kept(registry):
    folder, fetcher = registry
    publish(folder, "a", "1.0.0", tarball(manifest={"name": "a"}))
    with pytest.raises(FetchError, match=r"cannot fetch npm:a@1\.0\.0: .*its hash is sha512"):
        pin(fetcher, entry("a", b"other"))
    assert not list(fetcher.cache.folder.glob("sha512/*/*"))


def test_one_version_with_two_hashes_is_refused(registry):
    folder, fetcher = registry
    content = tarball(manifest={"name": "a"})
    publish(folder, "a", "1.0.0", content)
    with pytest.raises(FetchError, match="two hashes"):
        pin(fetcher, entry("a", content), entry("a", b"other", path="node_modules/b/node_modules/a"))


def test_missing_tarball_is_named(registry):
    with pytest.raises(MissingError, match=r"npm:a@1\.0\.0"):
        pin(registry[1], entry("a", b""))
    artifact = Artifact(source="npm:@s/a@1.0.0", size=1, hash="sha512:" + "0" * 128)
    with pytest.raises(MissingError) as caught:
        registry[1].fetch(artifact)
    assert caught.value.hint == "seatrial lock --upgrade @s/a"


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [({"name": "b"}, "holds another package"), ({"name": "a", "scripts": {"install": "x"}}, "runs a program")],
)
def test_tarball_of_another_package_or_with_scripts_is_refused(registry, manifest, reason):
    folder, fetcher = registry
    content = tarball(manifest=manifest)
    publish(folder, "a", "1.0.0", content)
    with pytest.raises(PackageError, match=reason):
        pin(fetcher, entry("a", content))
    if "scripts" in manifest:
        assert pin(fetcher, entry("a", content), skip=frozenset({"a"}))


def test_registry_is_the_environments_then_the_users_then_the_machines(tmp_path):
    def registry(environment, name="a"):
        return read_sources(environment, tmp_path / "home", root=tmp_path).npm_registry_of(name)

    assert registry({}) == PUBLIC_REGISTRY
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/npmrc").write_text("registry=https://machine.example/npm/\n")
    assert registry({}) == "https://machine.example/npm"
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.npmrc").write_text("; note\nregistry = ${BASE}/\n@s:registry=https://scoped.example\n")
    assert registry({"BASE": "https://user.example"}) == "https://user.example"
    assert registry({}, "@s/a") == "https://scoped.example"
    assert registry({"npm_config_registry": "https://first.example"}) == "https://first.example"
    (tmp_path / "home/.config/seatrial").mkdir(parents=True)
    (tmp_path / "home/.config/seatrial/config.yaml").write_text("npm: https://own.example/\n")
    assert registry({"NPM_CONFIG_REGISTRY": "https://first.example"}) == "https://own.example"


def test_credentials_go_to_their_own_registry_alone(tmp_path):
    (tmp_path / ".npmrc").write_text(
        "//h.example/npm/:_authToken=${TOKEN}\n//h.example/npm/deep/:_auth=QQ==\n//o.example/:_authToken=\n"
    )
    found = read_npm_settings({"TOKEN": "secret"}, tmp_path, tmp_path).credentials
    assert authorization_of("https://h.example/npm/a", found) == "Bearer secret"
    assert authorization_of("https://h.example/npm/deep/a", found) == "Basic QQ=="
    for other in (
        "https://h.example/other",
        "https://h.example/npmx",
        "https://h.example.org/npm/a",
        "https://o.example/a",
    ):
        assert authorization_of(other, found) == ""
    sources = read_sources({"TOKEN": "secret"}, tmp_path, root=tmp_path)
    assert "secret" not in repr(sources)
    headers = Connections(sources.access, size=1)._authorization("https://h.example/npm/a")
    assert headers == {"Authorization": "Bearer secret"}
