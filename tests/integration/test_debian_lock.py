"""Locks over HTTP: from a simulated archive with a bad day, and from the configured one, beside apt's own choice."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "simulators"))

from debian_archive import NOW, Archive

from pipeline.build.artifact import Artifact
from pipeline.build.ecosystems.debian.archive import DebianRequest, read_universe
from pipeline.build.ecosystems.debian.lock import lock_debian
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import Sources, read_sources
from pipeline.declare.errors import ArchiveError, FetchError, MissingError


class BadDay(SimpleHTTPRequestHandler):
    """Serves a folder; ``plan`` says what happens to the next requests of a path's ending."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        self.server.credentials.append(self.headers.get("Authorization", ""))
        for ending, events in self.server.plan.items():
            if self.path.endswith(ending) and events:
                getattr(self, events.pop(0))()
                return
        super().do_GET()

    def busy(self) -> None:
        self.send_error(503)

    def forbidden(self) -> None:
        self.send_error(403)

    def short(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"only this")
        self.close_connection = True

    def hang_up(self) -> None:
        self.close_connection = True

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(bytes(1 << 16))
        except OSError:
            return

    def circle(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def elsewhere(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{self.server.server_port}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def serving(folder: Path) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(BadDay, directory=folder))
    server.plan, server.asked, server.credentials = {}, Counter(), []
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "mirror")
    made.add("app", depends="lib")
    made.add("lib")
    made.publish()
    return made


@pytest.fixture
def server(archive: Archive) -> Iterator[ThreadingHTTPServer]:
    with serving(archive.folder) as running:
        yield running


@pytest.fixture
def mirror(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}/debian"


@pytest.fixture
def fetcher(tmp_path: Path, mirror: str) -> Iterator[Fetcher]:
    sources = read_sources({}, tmp_path, mirror, root=tmp_path)
    only = {name: bases[:1] for name, bases in sources.debian.items()}
    with Fetcher(tmp_path / "cache", Sources(debian=only), pause=lambda _: None) as opened:
        yield opened


def request(archive: Archive, mirror: str) -> DebianRequest:
    return DebianRequest(suite="bookworm", packages=("app",), architecture="amd64", mirror=mirror, keys=(archive.key,))


def test_lock_over_http_fetches_packages_and_then_needs_no_server(
    archive: Archive, fetcher: Fetcher, mirror: str, server: ThreadingHTTPServer
) -> None:
    locked = lock_debian(request(archive, mirror), fetcher, now=NOW)
    paths = fetcher.fetch_all(one.artifact for one in locked)
    assert [one.name for one in locked] == ["app", "lib"]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths] == [one.artifact.sha256 for one in locked]
    asked = sum(server.asked.values())
    assert fetcher.fetch_all(one.artifact for one in locked) == paths
    assert sum(server.asked.values()) == asked


def test_lock_over_http_tampered_release_is_refused(archive: Archive, fetcher: Fetcher, mirror: str) -> None:
    path = archive.release_path(archive.main)
    path.write_bytes(path.read_bytes().replace(b"Origin: Test", b"Origin: Evil"))
    with pytest.raises(ArchiveError, match=r"^http://127\.0\.0\.1:\d+/debian/dists/bookworm/InRelease: no good sig"):
        lock_debian(request(archive, mirror), fetcher, now=NOW)


def test_lock_over_http_survives_a_bad_day(
    archive: Archive, fetcher: Fetcher, mirror: str, server: ThreadingHTTPServer
) -> None:
    server.plan = {"bookworm/InRelease": ["busy", "hang_up"], ".deb": ["short", "busy", "elsewhere"], "Packages": []}
    locked = lock_debian(request(archive, mirror), fetcher, now=NOW)
    assert len(fetcher.fetch_all(one.artifact for one in locked)) == 2


def test_lock_over_http_index_that_moved_is_read_from_its_plain_path(
    archive: Archive, fetcher: Fetcher, mirror: str
) -> None:
    for folder in archive.folder.rglob("by-hash"):
        shutil.rmtree(folder)
    assert len(lock_debian(request(archive, mirror), fetcher, now=NOW)) == 2


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("busy", "not able to answer now .HTTP 503"),
        ("short", "ended early|bytes and"),
        ("endless", "longer than the locked"),
        ("forbidden", "access is refused .HTTP 403"),
        ("circle", "redirects more than 5 times"),
    ],
)
def test_fetch_from_a_broken_server_ends_with_the_reason(
    archive: Archive, fetcher: Fetcher, server: ThreadingHTTPServer, event: str, message: str
) -> None:
    listed = archive.main.packages[0]
    artifact = Artifact(
        source=f"debian:{listed['Filename']}", size=int(listed["Size"]), hash=f"sha256:{listed['SHA256']}"
    )
    server.plan = {".deb": [event] * 100}
    with pytest.raises(FetchError, match=message) as caught:
        fetcher.fetch(artifact)
    assert not isinstance(caught.value, MissingError)
    assert caught.value.hint == "seatrial lock --upgrade app"
    assert server.asked[f"/debian/{artifact.path}"] <= 6


def test_fetch_with_nobody_there_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        port = server.server_port
    artifact = Artifact(source="debian:pool/a_1.deb", size=1, hash="sha256:" + "0" * 64)
    sources = Sources(debian={"debian": (f"http://user:secret@127.0.0.1:{port}/debian",)})
    with (
        Fetcher(tmp_path / "cache", sources, pause=lambda _: None) as fetcher,
        pytest.raises(FetchError, match="Connection refused") as caught,
    ):
        fetcher.fetch(artifact)
    assert "secret" not in str(caught.value)


def test_fetch_credentials_go_to_their_own_host_only(archive: Archive, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    netrc.chmod(0o600)
    with serving(archive.folder) as server:
        server.plan = {"a": ["elsewhere"]}
        (archive.folder / "a").write_bytes(b"text")
        sources = Sources(debian={}, netrc=netrc)
        with Fetcher(tmp_path / "cache", sources, pause=lambda _: None) as fetcher:
            assert fetcher.read(f"http://127.0.0.1:{server.server_port}/a", 10) == b"text"
        assert [bool(value) for value in server.credentials] == [True, False]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fetcher]:
    home = Path(os.environ.get("HOME", "/"))
    with Fetcher(tmp_path_factory.mktemp("cache"), read_sources(os.environ, home)) as opened:
        yield opened


@pytest.mark.network
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_lock_of_debian_is_what_apt_would_choose(suite: str, real: Fetcher, tmp_path: Path) -> None:
    asked = DebianRequest(suite=suite, packages=("python3", "tzdata"), architecture="amd64")
    universe = read_universe(asked, real, now=datetime.now(UTC))
    image = lock_debian(asked, real, now=datetime.now(UTC), universe=universe)
    names = {one.name for one in image}
    assert {"base-files", "dpkg", "libc6", "python3", "tzdata", "usr-is-merged"} - names <= {"usr-is-merged"}
    assert not names & {"usrmerge", "perl", "apt", "adduser"}
    added = lock_debian(
        DebianRequest(suite=suite, packages=("git",), architecture="amd64"),
        real,
        now=datetime.now(UTC),
        installed=image,
        universe=universe,
    )
    assert not names & {one.name for one in added}
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get is not installed: nothing to compare with")
    essential = sorted(one.name for one in universe.essential())
    merged = ["usr-is-merged"] if "usr-is-merged" in names else []
    base = apt_choice(tmp_path, suite, real, [*essential, *merged, "python3", "tzdata"])
    assert {one.name: one.version for one in image} == base
    both = apt_choice(tmp_path, suite, real, [*essential, *merged, "python3", "tzdata", "git"])
    assert {one.name: one.version for one in (*image, *added)} == both


def apt_choice(folder: Path, suite: str, real: Fetcher, packages: list[str]) -> dict[str, str]:
    """Return what apt would install on an empty system, by name; apt has a configuration of its own here."""
    for name in ("etc/apt.conf.d", "etc/preferences.d", "lists/partial", "cache/archives/partial", "dpkg"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "dpkg/status").touch()
    pockets = (("debian", ""), ("debian", "-updates"), ("debian-security", "-security"))
    (folder / "etc/sources.list").write_text(
        "".join(f"deb [trusted=yes] {real.sources.debian[name][0]} {suite}{suffix} main\n" for name, suffix in pockets)
    )
    settings = {
        "Dir::Etc": f"{folder}/etc",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": str(folder),
        "Dir::State::lists": f"{folder}/lists",
        "Dir::State::status": f"{folder}/dpkg/status",
        "Dir::Cache": f"{folder}/cache",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
        "Acquire::Languages": "none",
    }
    config = folder / "apt.conf"
    config.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    environment = {**os.environ, "APT_CONFIG": str(config), "LC_ALL": "C"}
    if not (folder / "updated").exists():
        subprocess.run(["apt-get", "update"], env=environment, check=True, capture_output=True, timeout=300)
        (folder / "updated").touch()
    done = subprocess.run(
        ["apt-get", "-s", "install", *packages],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("Inst ")]
    return {words[1]: words[2].lstrip("(") for words in lines}
