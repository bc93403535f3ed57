"""Packages that are unpacked over others without dpkg: new files, and what dpkg is told; all else is left to it."""

import os
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from debian_archive import make_deb

from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.unpacking_over import unpack_over
from runtime.backends.native.mapped import run_mapped
from runtime.oci.below import Below

EPOCH = 1_750_000_000
FIELDS = {"Package": "app", "Version": "1", "Architecture": "amd64", "Maintainer": "a <a@example.org>"}
SCRIPTS = {"md5sums": "", "conffiles": "/etc/app.conf\n", "triggers": "activate-noawait ldconfig\n"}
FILES = {"etc/app.conf": b"1\n", "bin/app": b"2", "usr/share/icons/app": b"3"}
FILES |= {"opt/": b"", "opt/app/": b"", "opt/app/new": b"4"}
STATUS = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\n\n"


@pytest.fixture
def below(tmp_path):
    """Return a tree as ``bootstrap`` leaves it."""
    root = tmp_path / "below"
    for each in ("usr/bin", "usr/share/icons", "etc/dpkg/dpkg.cfg.d", "opt", "var/lib/dpkg/info"):
        (root / each).mkdir(parents=True)
    (root / "var/lib/dpkg/triggers").mkdir()
    (root / "bin").symlink_to("usr/bin")
    texts = {
        "etc/dpkg/dpkg.cfg": "# dpkg\n\nno-debsig\nlog /var/log/dpkg.log\n",
        "var/lib/dpkg/status": STATUS,
        "var/lib/dpkg/info/format": "1\n",
        "var/lib/dpkg/triggers/File": "/usr/share/icons icons/noawait\n/usr/share/other other\n",
    }
    for name, text in texts.items():
        (root / name).write_text(text)
    (root / "opt").chmod(0o711)
    return root


@pytest.fixture
def unpack(tmp_path, below):
    """Return a function that unpacks packages, as a user who gives files to owners."""
    (tmp_path / "upper").mkdir()

    def unpack(*paths):
        def unpacked(root, layer):
            return unpack_over(root, Below([layer]), paths, epoch=EPOCH)

        folders = (tmp_path / "upper", below)
        if os.geteuid():
            return run_mapped(unpacked, directories=folders, one_id=True)
        opened = [os.open(each, os.O_RDONLY) for each in folders]
        try:
            return unpacked(*opened)
        finally:
            for each in opened:
                os.close(each)

    return unpack


def package(folder, *, name="app", is_plain=True, fields=None, scripts=None, files=None, **more):
    packed = folder / f"{name}.packed"
    control = {**FIELDS, "Package": name, **(fields or {})}
    packed.write_bytes(make_deb(control, files or FILES, scripts=scripts or SCRIPTS, **more))
    path = folder / f"{name}.deb"
    if is_plain:
        read_deb(packed).write_plain(path, limit=1 << 20)
    else:
        packed.rename(path)
    return path


def member(name, content=b"", form=tarfile.GNU_FORMAT, **about):
    """Return a member of an archive as it stands there."""
    entry = tarfile.TarInfo(f"./{name}")
    entry.size, entry.mtime = len(content), 1_700_000_000
    for field, value in about.items():
        setattr(entry, field, value)
    return entry.tobuf(form) + content + bytes(-len(content) % 512)


def changed(header, *places):
    """Return a member with other bytes at some places of its header, which is right otherwise."""
    block = bytearray(header)
    for start, content in places:
        block[start : start + len(content)] = content
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block)


PREFIX, MODE, SIZE, MTIME = 345, 100, 124, 136


HARD = {"type": tarfile.LNKTYPE, "linkname": "./opt/file"}


def written(tmp_path):
    upper = tmp_path / "upper"
    return {str(each.relative_to(upper)) for each in upper.rglob("*") if not each.is_dir()}


def test_new_files_are_written_where_the_overlay_would_put_them(tmp_path, unpack):
    assert unpack(package(tmp_path)) == ("app",)
    info = {f"var/lib/dpkg/info/app.{kind}" for kind in ("list", "md5sums", "conffiles", "triggers")}
    database = {"var/lib/dpkg/status", "var/lib/dpkg/triggers/Unincorp"}
    files = {"etc/app.conf.dpkg-new", "usr/bin/app", "usr/share/icons/app", "opt/app/new"}
    assert written(tmp_path) == files | info | database
    assert (tmp_path / "upper/opt").stat().st_mode & 0o7777 == 0o711
    assert (tmp_path / "upper/opt").stat().st_mtime == EPOCH


def test_dpkg_is_told_of_the_package_and_of_what_wakes_others(tmp_path, unpack):
    unpack(package(tmp_path))
    database = tmp_path / "upper/var/lib/dpkg"
    stanzas = (database / "status").read_text().split("\n\n")
    assert stanzas[0] == STATUS.strip()
    assert stanzas[1].startswith("Package: app\n")
    assert stanzas[1].endswith("\nStatus: install ok unpacked\nConffiles:\n /etc/app.conf newconffile\n")
    assert (database / "triggers/Unincorp").read_text() == "/usr/share/icons -\nldconfig -\n"
    assert "/bin/app\n" in (database / "info/app.list").read_text()


def test_packages_that_share_a_folder_are_both_unpacked(tmp_path, unpack):
    other = package(tmp_path, name="other", scripts={"md5sums": ""}, files={"opt/app/": b"", "opt/app/other": b"5"})
    assert unpack(package(tmp_path), other) == ("app", "other")
    assert {"opt/app/new", "opt/app/other"} <= written(tmp_path)


def without(*names):
    return {name: text for name, text in SCRIPTS.items() if name not in names}


UNUSUAL = {
    "compressed": {"is_plain": False},
    "known to dpkg": {"fields": {"Package": "dpkg"}, "name": "dpkg"},
    "script before its files": {"scripts": {**SCRIPTS, "preinst": "#!/bin/sh\ntrue\n"}},
    "no hashes": {"scripts": without("md5sums")},
    "interest": {"scripts": {**SCRIPTS, "triggers": "interest /usr/share/app\n"}},
    "trigger of an unusual name": {"scripts": {**SCRIPTS, "triggers": "activate ldconfig/\n"}},
    "file of configuration that it has not": {"files": {"usr/bin/app": b""}},
    "file that is there": {"files": {**FILES, "etc/dpkg/dpkg.cfg": b""}},
    "file where a folder is": {"files": {**FILES, "usr/bin": b""}},
    "folder where a file is": {"files": {**FILES, "etc/dpkg/dpkg.cfg/": b""}},
    "file without its folder": {"files": {**FILES, "opt/other/file": b""}},
    "the same file twice": {"files": {**FILES, "usr/bin/app": b""}},
    "path that leaves": {"files": {**FILES, "../app": b""}},
    "new file of configuration that is there": {"scripts": {**SCRIPTS, "conffiles": "/etc/app.conf\n/etc/there\n"}}
    | {"files": {**FILES, "etc/there": b""}},
    "file that is moved": {"files": {**FILES, "bin/moved": b""}},
    "file whose owner is said elsewhere": {"files": {**FILES, "usr/bin/owned": b""}},
    "folder that is a link": {"files": {**FILES, "linked/file": b""}},
    "file of dpkg's database": {"files": {**FILES, "var/lib/dpkg/other": b""}},
    "file where packages are": {"files": {**FILES, "debs/": b"", "debs/other": b""}},
    "name of two lines": {"files": {**FILES, "opt/a\n/": b"", "opt/a\n/etc/": b"", "opt/a\n/etc/shadow": b""}},
    "file of configuration with a long name": {"scripts": {"md5sums": "", "conffiles": f"/opt/{'x' * 250}\n"}}
    | {"files": {f"opt/{'x' * 250}": b""}},
    "time that no disk keeps": {"mtime": 1 << 40},
    "file at a time that no disk keeps": {"first": member("opt/file", mtime=1 << 34)},
    "time that is no number": {"first": member("opt/file", form=tarfile.PAX_FORMAT, pax_headers={"mtime": "inf"})},
    "file of a user": {"first": member("opt/file", uid=1)},
    "file of a group": {"first": member("opt/file", gid=1)},
    "file of a user by name": {"first": member("opt/file", uname="daemon")},
    "file of a group by name": {"first": member("opt/file", gname="daemon")},
    "mode that is none": {"first": changed(member("opt/file"), (MODE, b"0o644\0\0\0"))},
    "mode of less than nothing": {"first": changed(member("opt/file"), (MODE, b"-000644\0"))},
    "size with a sign": {"first": changed(member("opt/file"), (SIZE, b"+0000000000\0"))},
    "size that no file has": {"first": changed(member("opt/file"), (SIZE, b"\x80" + b"\x7f" * 11))},
    "time before all times": {"first": changed(member("opt/file"), (MTIME, b"\xff" * 12))},
    "owner that no machine has": {"first": changed(member("opt/file"), (108, b"\x80\0\1\0\0\0\0\0"))},
    "empty name": {"first": changed(member("x", type=tarfile.DIRTYPE), (0, bytes(10)))},
    "file with the name of a folder": {"first": changed(member("opt/a"), (0, b"./opt/a/"), (156, b"\0"))},
    "extended header of a folder that is there": {
        "first": member("opt", type=tarfile.DIRTYPE, form=tarfile.PAX_FORMAT, pax_headers={"comment": "x"})
    },
    "wrong number of an extended header": {
        "first": member("opt/file", form=tarfile.PAX_FORMAT, pax_headers={"GNU.sparse.size": "x"})
    },
    "extended header": {"first": member("opt/file", form=tarfile.PAX_FORMAT, pax_headers={"comment": "x"})},
    "damaged header after others": {"first": member("opt/file") + member("opt/other").replace(b"other", b"odder")},
    "link to nowhere": {"first": member("opt/link", type=tarfile.SYMTYPE, linkname="")},
    "link of a long path": {"first": member("opt/link", type=tarfile.SYMTYPE, linkname="x" * 5000)},
    "hard link of another mode": {"first": member("opt/file") + member("opt/hard", mode=0o4755, **HARD)},
    "hard link of another time": {"first": member("opt/file") + member("opt/hard", mtime=1, **HARD)},
    "name that dpkg has for itself": {"files": {**FILES, "etc/app.conf.dpkg-tmp": b""}},
    "new file of configuration twice": {"files": {**FILES, "etc/app.conf.dpkg-new": b""}},
    "device": {"devices": ("opt/device",)},
    "sparse file": {"sparse": {"opt/sparse": 1 << 20}},
    "hard link to what is elsewhere": {"hard_links": {"opt/hard": "./usr/bin/dpkg"}},
    "hard link to a file of configuration": {"hard_links": {"opt/hard": "./etc/app.conf"}},
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_is_unusual_is_left_to_dpkg(tmp_path, below, unpack, what):
    (below / "etc/there.dpkg-new").write_text("")
    (below / "var/lib/dpkg/diversions").write_text("/bin/moved\n/bin/moved.distrib\ndash\n")
    (below / "var/lib/dpkg/statoverride").write_text("root root 4755 /usr/bin/owned\n")
    (below / "linked").symlink_to("opt")
    assert unpack(package(tmp_path, **UNUSUAL[what])) == ()
    assert written(tmp_path) == set()
    assert unpack(small(tmp_path, "usual")) == ("usual",)


def small(folder, name, *files, script="", **more):
    """Return a package without files of configuration that is usual, or has a script that runs before its files."""
    scripts = {"md5sums": "", "preinst": f"#!/bin/sh\n{script}\n"} if script else {"md5sums": ""}
    texts = {each: b"" if each.endswith("/") else name.encode() for each in files or (f"opt/{name}",)}
    return package(folder, name=name, scripts=scripts, files=texts, **more)


def test_package_of_very_many_files_is_left_to_dpkg_with_all_after_it(tmp_path, unpack, monkeypatch):
    monkeypatch.setattr("pipeline.build.unpacking_over._MOST", 2)
    many = small(tmp_path, "many", "opt/1", "opt/2", "opt/3")
    assert unpack(small(tmp_path, "few", "opt/few", "opt/more"), many, small(tmp_path, "later")) == ("few",)


def test_package_of_very_long_names_is_left_to_dpkg_with_all_after_it(tmp_path, unpack, monkeypatch):
    monkeypatch.setattr("pipeline.build.unpacking_over._MOST_BYTES", 20)
    long = small(tmp_path, "long", f"opt/{'x' * 20}")
    assert unpack(small(tmp_path, "few"), long, small(tmp_path, "later")) == ("few",)


REFUSED = {
    "damaged": {"first": member("opt/file") + member("opt/other").replace(b"other", b"odder")},
    "damaged from its first byte": {"first": member("opt/file").replace(b"file", b"fine")},
    "compressed": {"is_plain": False},
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_comes_after_a_package_that_cannot_be_looked_at_is_left_to_dpkg(tmp_path, unpack, what):
    odd = small(tmp_path, "odd", **REFUSED[what])
    assert unpack(odd, small(tmp_path, "later")) == ()


AFTER = {
    "link where that has a folder": ("true", "opt/x/file", ("opt/x",)),
    "folder where that has a link": ("true", "opt/x", ("opt/x/", "opt/x/file")),
    "the same file": ("true", "opt/x", ("opt/x",)),
    "file that its script may move": ("dpkg-divert --add --no-rename /opt/y", "opt/x", ("opt/y",)),
    "file that its script may give to others": ("dpkg-statoverride --add daemon root 755 /opt/y", "opt/x", ("opt/y",)),
}


@pytest.mark.parametrize("what", AFTER)
def test_what_hangs_on_a_package_that_dpkg_unpacks_first_is_left_to_it(tmp_path, unpack, what):
    script, file, files = AFTER[what]
    first = small(tmp_path, "first", file, script=script)
    assert unpack(first, small(tmp_path, "later", *files)) == ()


def test_script_that_does_nothing_where_there_was_no_older_version_is_none(tmp_path, unpack):
    calls = 'set -e\n# of debhelper\ndpkg-maintscript-helper rm_conffile /etc/old 1:4.7-2\\~ -- "$@"'
    assert unpack(small(tmp_path, "app", script=calls)) == ("app",)


def test_folder_that_dpkg_would_make_first_is_left_to_it(tmp_path, unpack):
    left = small(tmp_path, "first", "opt/shared/", "opt/shared/1", script="true", mode=0o700)
    others = small(tmp_path, "other", "opt/shared/", "opt/shared/2"), small(tmp_path, "third", "opt/own/", "opt/own/3")
    assert unpack(left, *others) == ("third",)


def test_name_is_read_in_two_parts_where_the_format_has_them(tmp_path, unpack):
    of_gnu = changed(member("file"), (0, b"opt/file"), (PREFIX, b"usr"))
    of_posix = changed(member("posix", form=tarfile.USTAR_FORMAT), (0, b"bin/posix\0"), (PREFIX, b"usr\0"))
    assert unpack(small(tmp_path, "app", "opt/app", first=of_gnu + of_posix)) == ("app",)
    assert {"opt/file", "usr/bin/posix"} <= written(tmp_path)


def test_first_package_says_what_a_folder_is(tmp_path, unpack):
    first, second, third = (
        small(tmp_path, name, "opt/x/", f"opt/x/{name}", mode=mode, script=script)
        for name, mode, script in (("first", 0o700, "true"), ("second", 0o755, "true"), ("third", 0o700, ""))
    )
    assert unpack(first, second, third) == ("third",)


def test_nothing_is_known_after_a_script_that_moves_files_whatever_comes_then(tmp_path, unpack):
    moving = small(tmp_path, "moving", script="dpkg-divert --add /opt/later")
    assert unpack(moving, small(tmp_path, "other", script="true"), small(tmp_path, "later")) == ()


def test_second_package_with_the_same_file_is_left_to_dpkg(tmp_path, unpack):
    other = package(tmp_path, name="other", scripts={"md5sums": ""}, files={"opt/app/": b"", "opt/app/new": b"5"})
    assert unpack(package(tmp_path), other) == ("app",)


DATABASES = {
    "another way of dpkg's": {"etc/dpkg/dpkg.cfg": "path-exclude /usr/share/doc/*\n"},
    "one more file of ways": {"etc/dpkg/dpkg.cfg.d/docker": "path-exclude /usr/share/doc/*\n"},
    "another format": {"var/lib/dpkg/info/format": "2\n"},
    "triggers that wait": {"var/lib/dpkg/triggers/Unincorp": "ldconfig -\n"},
    "link in place of a file": {"var/lib/dpkg/diversions": None},
    "folder that is not merged": {"sbin/init": ""},
    "another way of root's dpkg": {"root/.dpkg.cfg": "path-exclude /opt/*\n"},
    "dpkg of no known architecture": {"var/lib/dpkg/status": ""},
}


@pytest.mark.parametrize("what", DATABASES)
def test_database_that_is_unusual_leaves_all_to_dpkg(tmp_path, below, unpack, what):
    for name, text in DATABASES[what].items():
        path = below / name
        path.parent.mkdir(exist_ok=True)
        if text is None:
            path.symlink_to("/nowhere")
        else:
            path.write_text(text)
    assert unpack(package(tmp_path)) == ()
    assert written(tmp_path) == set()
