"""What a lock pins, and where this machine reaches it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.sources import PUBLIC_INDEX, Sources, read_sources
from pipeline.declare.errors import LockError, SpecError
from pipeline.registry.access import shown

HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
PATHS = st.from_regex(r"[a-z0-9+~]{1,8}(/[a-z0-9+~]{1,8}){0,3}", fullmatch=True)


@given(PATHS, st.integers(0, 1 << 40), HEX, st.sampled_from(["sha256", "sha512"]))
def test_locked_package_written_and_read_is_the_same(path: str, size: int, digits: str, name: str) -> None:
    strongest = f"{name}:{digits * (2 if name == 'sha512' else 1)}"
    artifact = Artifact(source=f"debian:{path}", size=size, hash=strongest, sha256=digits)
    package = LockedPackage(name="a", version="1", architecture="all", artifact=artifact)
    assert LockedPackage.from_json(package.to_json()) == package


@pytest.mark.parametrize(
    "change",
    [
        {"source": "debian"},
        {"source": "debian:/etc/passwd"},
        {"source": "debian:pool/../../x"},
        {"source": "https://user@host/x y"},
        {"size": -1},
        {"size": True},
        {"size": "1"},
        {"hash": "md5:" + "0" * 32},
        {"hash": "sha256:" + "0" * 63},
        {"hash": "sha256:" + "G" * 64},
        {"sha256": "0"},
        {"url": "https://example.org"},
    ],
)
def test_artifact_from_json_wrong_field_is_refused(change: dict[str, object]) -> None:
    right = {"source": "debian:pool/a", "size": 1, "hash": "sha256:" + "0" * 64}
    assert Artifact.from_json(right).sha256 == "0" * 64
    with pytest.raises(LockError):
        Artifact.from_json(right | change)


def machine(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_read_sources_bare_machine_has_the_public_archives(tmp_path: Path) -> None:
    sources = read_sources({}, tmp_path, root=tmp_path)
    assert sources.debian_urls("debian", "pool/a+b~1.deb") == ("http://deb.debian.org/debian/pool/a+b~1.deb",)
    assert sources.debian_urls("debian-security", "x", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == (
        "http://deb.debian.org/debian-security/x",
        "https://snapshot.debian.org/archive/debian-security/20260102T030405Z/x",
    )
    assert sources.pypi_index == PUBLIC_INDEX
    with pytest.raises(SpecError, match="no Debian archive 'ubuntu'"):
        sources.debian_urls("ubuntu", "x")


def test_read_sources_order_is_mirror_configuration_apt_public(tmp_path: Path) -> None:
    root = machine(
        tmp_path / "root",
        {
            "etc/apt/sources.list": "deb [arch=amd64] http://list.example/debian/ bookworm main contrib # why\n"
            "deb http://vendor.example/linux/debian bookworm stable\n"
            "deb http://other.example/apt bookworm main\n"
            "deb-src http://src.example/debian bookworm main\n"
            "#deb http://off.example/debian bookworm main\n",
            "etc/apt/sources.list.d/a.sources": "# c\nTypes: deb deb-src\nURIs: https://one.example/debian\n https://two.example/debian\n"
            "Suites: trixie trixie-updates\nComponents: main\n\n"
            "Types: deb\nURIs: https://sec.example/debian-security\nSuites: trixie-security\nComponents: main\n\n"
            "Types: deb\nEnabled: no\nURIs: https://off.example/debian\nSuites: trixie\nComponents: main\n",
        },
    )
    home = machine(tmp_path / "home", {".config/seatrial/config.yaml": "debian: https://conf.example/d/\nother: 1\n"})
    sources = read_sources({}, home, "https://mirror.example/debian/20260101T000000Z/", root=root)
    assert sources.debian["debian"] == (
        "https://mirror.example/debian/20260101T000000Z",
        "https://conf.example/d",
        "http://list.example/debian",
        "https://one.example/debian",
        "https://two.example/debian",
        "http://deb.debian.org/debian",
    )
    assert sources.debian["debian-security"] == (
        "https://mirror.example/debian-security/20260101T000000Z",
        "https://sec.example/debian-security",
        "http://deb.debian.org/debian-security",
    )


@pytest.mark.parametrize(
    ("environment", "files", "index"),
    [
        ({"UV_DEFAULT_INDEX": "own=https://a/simple/", "PIP_INDEX_URL": "https://b"}, {}, "https://a/simple"),
        ({"UV_INDEX_URL": "https://u:p@a/simple"}, {}, "https://u:p@a/simple"),
        ({"PIP_INDEX_URL": "https://b"}, {"etc/pip.conf": "[global]\nindex-url = https://c"}, "https://b"),
        ({}, {"etc/pip.conf": "[global]\nindex-url = https://c"}, "https://c"),
        ({"PIP_CONFIG_FILE": "/dev/null"}, {"etc/pip.conf": "[global]\nindex-url = https://c"}, PUBLIC_INDEX),
        ({}, {"etc/uv/uv.toml": '[[index]]\nurl = "https://d"\ndefault = true'}, "https://d"),
        ({}, {"etc/uv/uv.toml": "[[broken", "etc/pip.conf": "no section"}, PUBLIC_INDEX),
    ],
)
def test_read_sources_python_index_comes_from_uv_and_pip(
    tmp_path: Path, environment: dict[str, str], files: dict[str, str], index: str
) -> None:
    assert read_sources(environment, tmp_path / "home", root=machine(tmp_path, files)).pypi_index == index


@pytest.mark.parametrize(
    "conf", ['Acquire::http::Proxy "http://p:3142";', 'Acquire {\n http {\n  Proxy "http://p:3142";\n };\n};']
)
def test_read_sources_apt_proxy_is_found(tmp_path: Path, conf: str) -> None:
    root = machine(tmp_path, {"etc/apt/apt.conf.d/01proxy": f'// Acquire::http::Proxy "http://no";\n{conf}\n'})
    assert read_sources({}, tmp_path, root=root).proxies == {"apt": "http://p:3142"}


@pytest.mark.parametrize("text", ["- a", "debian: [x]", "pypi: ftp://x", "a: b: c"])
def test_read_sources_bad_configuration_is_refused(tmp_path: Path, text: str) -> None:
    home = machine(tmp_path, {".config/seatrial/config.yaml": text})
    with pytest.raises(SpecError, match=r"config\.yaml"):
        read_sources({}, home, root=tmp_path)


def test_read_sources_bad_mirror_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is no http:, https: or file: URL"):
        read_sources({}, tmp_path, "mirror.example/debian", root=tmp_path)


def test_shown_holds_no_credentials() -> None:
    assert shown("https://user:secret@host:8443/a/b?token=secret#secret") == "https://host:8443/a/b"
    assert shown("https://[::1]/a") == "https://[::1]/a"
    assert "secret" not in shown("https://[secret/a")
    sources = Sources(debian={"debian": ("https://u:secret@h",)}, pypi_index="https://u:secret@h")
    assert "secret" not in repr(sources)
