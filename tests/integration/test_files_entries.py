"""Entries of ``files``: from URLs, unpacked, and with owners; in the image's layer they are what the spec says.

The packages are one static program, kept in the store as the tree of a lock without any package; see ``stages``.
"""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.lock import Lock, LockedTree, Platform, lock_path, write_lock
from pipeline.build.owners import adopt
from pipeline.build.unpacked import trees_of
from pipeline.build.workshop import Workshop
from pipeline.declare.dependencies import answers
from pipeline.declare.read import read_spec
from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout

ROOT = Path(__file__).parents[2]
EPOCH = 1_000_000_009
TOOL = b"#!/bin/sh\necho a tool\n"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        return


@pytest.fixture
def server(tmp_path):
    """Serve a folder; what is asked for is noted."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.05,))
        thread.start()
        yield folder, f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def ground(store):
    """Keep the tree of no package at all in the store: folders, accounts, and a link as Debian has it."""

    def fill(folder, _):
        for each in ("usr/bin", "etc", "srv/kept", "root", "tmp"):
            (folder / each).mkdir(parents=True)
        (folder / "bin").symlink_to("usr/bin")
        (folder / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        (folder / "etc" / "passwd").chmod(0o644)
        adopt(folder, ())

    workshop = Workshop(layout=Layout(store / "oci"), trees=trees_of(store), records=store / "builds")
    workshop.layers("debian", {"debian": [], "locales": [], "epoch": EPOCH}, fill, epoch=EPOCH)
    return store


class Desk:
    """A spec, its lock, and the command that builds it."""

    def __init__(self, folder, store, server):
        self.folder, self.store = folder, store
        self.served, self.url = server
        (folder / "pyproject.toml").touch()

    def fetched(self, name, content, to, **keys):
        """Serve a file, and return the entry that names it."""
        (self.served / name).write_bytes(content)
        return {"url": f"{self.url}/{name}", "sha256": hashlib.sha256(content).hexdigest(), "to": to, **keys}

    def write(self, *files, suite=()):
        """Write a spec with these entries, and its lock."""
        spec = {
            "seatrial": 1,
            "image": {"debian": "bookworm", "files": list(files)},
            "suite": {"command": ["true"], "results": "exit", "files": list(suite)},
        }
        path = self.folder / "app.yaml"
        path.write_text(yaml.safe_dump(spec, sort_keys=False))
        platform = Platform(image=self._tree(files), suite=self._tree(suite))
        found = {"amd64": platform}
        wanted = answers(read_spec(path))
        write_lock(
            Lock(answers=wanted, epoch=EPOCH, locked=EPOCH, debian="bookworm", platforms=found), lock_path(path)
        )

    def _tree(self, files):
        named = [each for each in files if "url" in each]
        sizes = {each["url"]: (self.served / each["url"].rpartition("/")[2]).stat().st_size for each in named}
        return LockedTree(
            sources=tuple(
                LockedPackage(
                    name=each["url"].rpartition("/")[2],
                    version="",
                    architecture="",
                    artifact=Artifact(
                        source=f"url:{each['url']}", size=sizes[each["url"]], hash=f"sha256:{each['sha256']}"
                    ),
                )
                for each in named
            )
        )

    def command(self, *words):
        environment = {**os.environ, "SEATRIAL_STORE": str(self.store), "PYTHONPATH": str(ROOT), "no_proxy": "*"}
        program = (sys.executable, "-m", "pipeline.cli.main", *words)
        return subprocess.run(program, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def build(self):
        done = self.command("build", "--locked", "--json", "app.yaml")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return Digest(found["image"]), Digest(found["suite"])

    def refusal(self):
        done = self.command("build", "--locked", "--no-progress", "app.yaml")
        assert done.returncode == 2, (done.returncode, done.stderr)
        return done.stderr

    def entries(self, manifest):
        """Return path → mode, uid, gid and content of all in the uppermost layer, read by no code of ours."""
        layout = Layout(self.store / "oci")
        layer = Image.open(layout, manifest).layers[-1]
        with tarfile.open(layout.path(layer.descriptor.digest)) as archive:
            return {
                each.name: (each.mode, each.uid, each.gid, archive.extractfile(each).read() if each.isfile() else b"")
                for each in archive
            }


@pytest.fixture
def desk(tmp_path, ground, server):
    return Desk(tmp_path, ground, server)


def tar(**files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size, info.mode = len(content), 0o755
            archive.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def chosen(found, *tops):
    return {path: each for path, each in found.items() if path.startswith(tops)}


def test_files_from_urls_are_fetched_once_laid_and_unpacked(desk):
    archive = tar(tool__run=TOOL, tool__data=b"1", other=b"2")
    desk.write(
        desk.fetched("tool.tar.gz", archive, "/opt", unpack=True, only=["tool"]),
        desk.fetched("one", TOOL, "/usr/bin/one", mode="4755"),
        suite=[desk.fetched("asked", b"words", "/tests/asked")],
    )
    image, suite = desk.build()
    root = (0, 0)
    assert chosen(desk.entries(image), "opt/", "usr/bin/one") == {
        "opt/tool": (0o755, *root, b""),
        "opt/tool/run": (0o755, *root, TOOL),
        "opt/tool/data": (0o755, *root, b"1"),
        "usr/bin/one": (0o4755, *root, TOOL),
    }
    assert chosen(desk.entries(suite), "tests/") == {"tests/asked": (0o644, *root, b"words")}
    for each in desk.served.iterdir():
        each.unlink()
    assert desk.build() == (image, suite)


def test_owner_is_of_files_and_of_the_folders_that_an_entry_makes(desk):
    (desk.folder / "app" / "sub").mkdir(parents=True)
    for name in ("one", "sub/two"):
        (desk.folder / "app" / name).write_text(name)
    (desk.folder / "app" / "link").symlink_to("one")
    desk.write(
        {"from": "app", "to": "/srv/deep/app", "owner": "1000:33"},
        {"from": "app/one", "to": "/srv/kept/one", "owner": "7:7", "mode": "4755"},
        desk.fetched("tool.tar.gz", tar(bin__run=TOOL), "/opt/tool", unpack=True, owner="65533:1"),
        suite=[{"from": "app", "to": "/tests", "owner": "5:6"}],
    )
    image, suite = desk.build()
    app, tool = (1000, 33), (65533, 1)
    assert chosen(desk.entries(image), "srv", "opt") == {
        "srv": (0o755, 0, 0, b""),
        "srv/deep": (0o755, 0, 0, b""),
        "srv/deep/app": (0o755, *app, b""),
        "srv/deep/app/link": (0o777, *app, b""),
        "srv/deep/app/one": (0o644, *app, b"one"),
        "srv/deep/app/sub": (0o755, *app, b""),
        "srv/deep/app/sub/two": (0o644, *app, b"sub/two"),
        "srv/kept": (0o755, 0, 0, b""),
        "srv/kept/one": (0o4755, 7, 7, b"one"),
        "opt": (0o755, 0, 0, b""),
        "opt/tool": (0o755, *tool, b""),
        "opt/tool/bin": (0o755, *tool, b""),
        "opt/tool/bin/run": (0o755, *tool, TOOL),
    }
    assert {each[1:3] for each in chosen(desk.entries(suite), "tests").values()} == {(5, 6)}


def test_owner_that_no_run_can_have_is_refused(desk):
    (desk.folder / "one").write_text("1")
    desk.write({"from": "one", "to": "/srv/one", "owner": "70000:0"})
    assert "/srv/one cannot be given to 70000:0" in " ".join(desk.refusal().split())


def test_file_that_leads_through_a_link_of_the_image_is_refused(desk):
    desk.write(desk.fetched("one", TOOL, "/bin/one"))
    told = " ".join(desk.refusal().split())
    assert "/bin/one leads through /bin, which is a link" in told
    assert "to: /usr/bin/one" in told


@pytest.mark.parametrize("what", ["swapped", "gone"])
def test_file_that_its_server_changed_is_refused_with_what_to_write(desk, what):
    desk.write(desk.fetched(f"{what}", os.urandom(9), "/opt/x"))
    path = desk.served / what
    with contextlib.suppress(FileNotFoundError):
        path.write_bytes(b"x" * 9) if what == "swapped" else path.unlink()
    told = " ".join(desk.refusal().split())
    assert ("[file-hash]" if what == "swapped" else "there is no such file") in told
    assert "write its URL and `sha256:` in the spec" in told
