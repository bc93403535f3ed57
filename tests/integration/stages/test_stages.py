"""Stages in the native runtime: run twice, compared, and nothing of them ships but what files take.

The tree of their packages is one static program here, kept in the store as that of a lock without any package: nothing
is downloaded, and all else is as it always is.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from pipeline.build.lock import Lock, LockedTree, Platform, lock_path, write_lock
from pipeline.build.owners import adopt
from pipeline.build.unpacked import trees_of
from pipeline.build.workshop import Workshop
from pipeline.declare.dependencies import answers
from pipeline.declare.read import read_spec
from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout

ROOT = Path(__file__).parents[3]
BUSYBOX = Path("/bin/busybox")
PROGRAMS = ("sh", "cat", "chmod", "cp", "hostname", "id", "ln", "ls", "mkdir", "mkfifo", "nc", "touch", "tr", "wc")
ACCOUNTS = "root:x:0:0:a stage:/root:/bin/sh\n"
EPOCH = 1_000_000_007
EMPTY = LockedTree()


@pytest.fixture(scope="session")
def packages(own_store):
    """Keep the tree of no package at all in the store."""
    if not BUSYBOX.is_file():
        pytest.skip("busybox-static is not installed")

    def fill(folder, _):
        for each in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"):
            (folder / each).mkdir()
        shutil.copy(BUSYBOX, folder / "bin" / "busybox")
        for each in PROGRAMS:
            (folder / "bin" / each).symlink_to("busybox")
        (folder / "etc" / "passwd").write_text(ACCOUNTS)
        (folder / "etc" / "passwd").chmod(0o644)
        (folder / "sbin").symlink_to("bin")
        adopt(folder, ())

    workshop = Workshop(layout=Layout(own_store / "oci"), trees=trees_of(own_store), records=own_store / "builds")
    workshop.layers("debian", {"debian": [], "locales": [], "epoch": EPOCH}, fill, epoch=EPOCH)
    return own_store


class Desk:
    """A spec with stages, and the command that builds it."""

    def __init__(self, folder, store):
        self.folder, self.store = folder, store
        self.spec = folder / "app.yaml"
        self.source = folder / "src" / "words.txt"
        (folder / "pyproject.toml").touch()
        self.source.parent.mkdir()
        self.source.write_text("ebb\nflow\n")

    def write(self, script, *files, suite=(), more=None, **stage):
        """Write a spec whose stage ``build`` runs a script of the shell in ``src``, and its lock."""
        scripts = [script] if isinstance(script, str) else script
        build = {"files": [{"from": "src", "to": "/src"}], "run": [["sh", "-ec", each] for each in scripts], **stage}
        image = {
            "debian": "bookworm",
            "stages": {**(more or {}), "build": build},
            "files": [{"stage": "build", **each} for each in files],
        }
        tests = {"command": ["true"], "results": "exit", "files": list(suite)}
        self.spec.write_text(yaml.safe_dump({"seatrial": 1, "image": image, "suite": tests}, sort_keys=False))
        tree = LockedTree(stages=dict.fromkeys(image["stages"], EMPTY))
        lock = Lock(
            answers=answers(read_spec(self.spec)),
            epoch=EPOCH,
            locked=EPOCH,
            debian="bookworm",
            platforms={"amd64": Platform(image=tree, suite=EMPTY)},
        )
        write_lock(lock, lock_path(self.spec))

    def command(self, *words):
        environment = {**os.environ, "SEATRIAL_STORE": str(self.store), "PYTHONPATH": str(ROOT)}
        program = (sys.executable, "-m", "pipeline.cli.main", *words)
        return subprocess.run(program, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def build(self):
        done = self.command("build", "--locked", "--json", "app.yaml")
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        return Digest(found["image"]), Digest(found["suite"])

    def refusal(self, code=2):
        done = self.command("build", "--locked", "--no-progress", "app.yaml")
        assert done.returncode == code, (done.returncode, done.stderr)
        return done.stderr

    def files(self, manifest):
        """Return path → entry and content, of the files and links in the uppermost layer, read by no code of ours."""
        layout, found = Layout(self.store / "oci"), {}
        layer = Image.open(layout, manifest).layers[-1]
        with tarfile.open(layout.path(layer.descriptor.digest)) as archive:
            for each in archive:
                if not each.isdir():
                    found[each.name] = each, archive.extractfile(each).read() if each.isfile() else each.linkname
        return found

    @property
    def records(self):
        return {path.name for path in (self.store / "builds").iterdir()}


@pytest.fixture
def desk(tmp_path, packages):
    return Desk(tmp_path, packages)


def taken(path, to="/x", **keys):
    return {"from": path, "to": to, **keys}


def test_what_files_take_is_in_image_and_suite_and_nothing_else_is(desk):
    desk.write(
        [
            "mkdir /out/lib /tmp/kept; tr a-z A-Z < words.txt > /out/lib/words; cp words.txt /out/lib/other",
            "test -d /tmp/kept; cp /bin/busybox /out/tool; chmod 700 /out/tool; ln -s words /out/lib/link",
            "echo more >> /etc/passwd",
        ],
        taken("/out/tool", "/usr/bin/tool"),
        taken("/out/lib", "/srv/lib", only=["words", "link"], mode="0600"),
        suite=[
            {"stage": "build", "from": "/out/lib/words", "to": "/tests/words"},
            {"stage": "build", "from": "/out/lib", "to": "/tests/lib", "only": ["*"]},
        ],
    )
    image, suite = desk.build()
    found = desk.files(image)
    own = {path: each for path, each in found.items() if not path.startswith("etc/")}
    assert {path: (entry.mode, entry.uid, entry.gid, entry.mtime) for path, (entry, _) in own.items()} == {
        "usr/bin/tool": (0o755, 0, 0, EPOCH),
        "srv/lib/words": (0o600, 0, 0, EPOCH),
        "srv/lib/link": (0o777, 0, 0, EPOCH),
    }
    assert own["usr/bin/tool"][1] == BUSYBOX.read_bytes()
    assert (own["srv/lib/words"][1], own["srv/lib/link"][1]) == (b"EBB\nFLOW\n", "words")
    assert found["etc/passwd"][1].decode().startswith(ACCOUNTS.rstrip("\n") + "\napp:")  # not as a command left it
    asked = {path: content for path, (_, content) in desk.files(suite).items() if path.startswith("tests/")}
    upper, lower = b"EBB\nFLOW\n", b"ebb\nflow\n"
    assert asked == {
        "tests/words": upper,
        "tests/lib/words": upper,
        "tests/lib/other": lower,
        "tests/lib/link": "words",
    }
    before = desk.records
    assert desk.build() == (image, suite)
    assert desk.records == before


def test_stage_that_differs_from_one_time_to_the_other_is_refused_with_the_path(desk):
    desk.write("hostname > /out/host; hostname > /out/not-taken; echo same > /out/same", taken("/out/host"))
    told = desk.refusal(code=1)
    assert "two builds of the layer stage build differ: out/host, " in told
    assert "not-taken" not in told
    desk.write("hostname > /out/host; echo same > /out/same", taken("/out/same"))
    desk.build()


def test_command_that_fails_ends_the_build_with_its_last_words(desk):
    desk.write(["true", "echo compiling; echo words.txt:1: no such tide >&2; exit 3"], taken("/out/app"))
    told = desk.refusal()
    assert "error: stage build: command 2 of 2, `sh -ec 'echo compiling;" in told
    assert "in /src, failed (exit 3): words.txt:1: no such tide\ncompiling\n" in told


@pytest.mark.slow
def test_command_that_is_not_there_is_told_with_the_key_that_adds_it(desk):
    desk.write("gcc -o /out/app app.c", taken("/out/app"))
    assert "hint: add the package that has it to the stage's `packages`" in desk.refusal()


def test_commands_are_user_0_without_network_and_have_the_variables_of_the_stage(desk):
    checks = [
        "test $(id -u):$(id -g) = 0:0",
        "test $(pwd) = /work/here",
        "! nc -w 2 192.0.2.1 80 < /dev/null",
        "test $(ls /sys/class/net) = lo",
        f"test $SOURCE_DATE_EPOCH:$TZ:$LC_ALL:$COLOR = {EPOCH}:UTC:C.UTF-8:blue",
        "cat /src/words.txt > /out/words",
    ]
    desk.write("\n".join(checks), taken("/out/words"), workdir="/work/here", env={"COLOR": "blue"})
    desk.build()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "keys", "told"),
    [
        ("true", {"from": "/out/app"}, "its commands made no /out/app"),
        ("true", {"from": "/out"}, "its commands left nothing in /out at all"),
        ("touch /out/a", {"from": "/out", "only": ["b"]}, "nothing in /out that matches 'only: b'"),
        ("mkfifo /out/a", {"from": "/out/a"}, "/out/a is neither a file nor a folder"),
        ("mkfifo /out/a", {"from": "/out"}, "/out/a is neither a file nor a folder nor a link"),
        ("ln -s /etc/passwd /out/a", {"from": "/out"}, "/out/a is a link to '/etc/passwd', outside of /out"),
        ("ln -s ../etc/passwd /out/a", {"from": "/out"}, "/out/a is a link to '../etc/passwd', outside of /out"),
        ("ln -s ../out2/b /out/a", {"from": "/out"}, "outside of /out"),
        ("ln -s a /out/a", {"from": "/out/a"}, "/out/a: Too many levels of symbolic links"),
    ],
)
def test_what_no_image_can_hold_is_refused_with_its_path(desk, script, keys, told):
    desk.write(script, {"to": "/x", **keys})
    assert told in desk.refusal()


def test_link_that_is_named_is_followed_in_the_stage_and_not_on_this_machine(desk):
    script = "ln -s /etc/passwd /out/a; ln -s ../../../../../sbin /out/b"
    desk.write(script, taken("/out/a", "/a"), taken("/out/b/busybox", "/b"))
    image, _ = desk.build()
    found = desk.files(image)
    assert (found["a"][1], found["b"][1]) == (ACCOUNTS.encode(), BUSYBOX.read_bytes())


@pytest.mark.slow
def test_link_that_is_taken_by_itself_and_with_its_folder_is_refused(desk):
    desk.write("touch /out/b; ln -s b /out/a", taken("/out", "/x"), taken("/out/a", "/y"))
    assert "/out/a is taken as a link, with its folder, and by itself" in desk.refusal()


@pytest.mark.slow
def test_edited_source_runs_the_stage_again_and_the_same_result_is_the_same_image(desk):
    desk.write("wc -l < words.txt > /out/lines", taken("/out/lines"))
    before, records = desk.build(), desk.records
    desk.source.write_text("high\nlow\n")
    assert desk.build() == before
    assert len(desk.records - records) == 1  # the stage's
    desk.source.write_text("tide\n")
    assert desk.build()[0] != before[0]


def test_stage_takes_from_the_stages_above_it(desk):
    tools = {"run": [["sh", "-ec", "mkdir /out/d; echo made > /out/d/of"]]}
    files = [{"stage": "tools", "from": "/out/d", "to": "/sbin/tools"}, {"from": "src/words.txt", "to": "/src/w"}]
    desk.write(
        "test $(pwd) = /bin/tools; cat of /bin/tools/of /src/w > /out/both",
        taken("/out/both"),
        more={"tools": tools},
        files=files,
    )
    image, _ = desk.build()
    assert desk.files(image)["x"][1] == b"made\nmade\nebb\nflow\n"


@pytest.mark.slow
def test_stage_cannot_be_laid_over_a_program_that_is_a_folder(desk):
    desk.write("true", taken("/out"), files=[{"from": "src", "to": "/bin/sh"}])
    assert "error: stage build: " in desk.refusal()


@pytest.mark.slow
def test_check_builds_stages_again_to_the_same_digests(desk):
    desk.write("wc -c < words.txt > /out/size", taken("/out/size"))
    image, _ = desk.build()
    done = desk.command("build", "--check", "--locked", "--json", "app.yaml")
    # The tree of no package cannot be made again: all that Debian's own programs make is missing.
    assert done.returncode == 2
    assert "dpkg is not among the packages" in done.stderr
    assert desk.build()[0] == image
