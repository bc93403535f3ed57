"""What an attacker does in each case of attacks.yaml: a function that spoils what the world serves."""

import contextlib
import hashlib
import time

import pysequoia
import yaml

APP = "/app_1_all.deb"
RELEASE = "/bookworm/InRelease"
_REDIRECTS = 8
_PATIENCE = 26
"""Seconds that the slow server takes: more than the client grants."""


def package_swapped(world, project):
    for path in world.served.rglob(f"*{APP}"):
        _flip(path)


def package_short(world, project):
    content = _served(world, APP)
    world.answers[APP] = lambda handler: _send(handler, content[:-9])


def package_cut(world, project):
    content = _served(world, APP)
    world.answers[APP] = lambda handler: _send(handler, content[:-9], length=len(content))


def package_endless(world, project):
    content = _served(world, APP)
    world.answers[APP] = lambda handler: _send(handler, content, b"\0" * (1 << 20), *[b"\0" * (1 << 20)] * 8)


def url_swapped(world, project):
    (world.served / "tool").write_bytes(b"another")
    path = project / "spec.yaml"
    spec = yaml.safe_load(path.read_text())
    digits = hashlib.sha256(b"tool").hexdigest()
    spec["image"]["files"] = [{"url": f"{world.url}/tool", "sha256": digits, "to": "/tool"}]
    path.write_text(yaml.safe_dump(spec))


def release_endless(world, project):
    world.answers[RELEASE] = lambda handler: _send(handler, *[b"-" * (1 << 20)] * 12)


def package_slow(world, project):
    content = _served(world, APP)

    def drip(handler):
        _head(handler, len(content))
        with contextlib.suppress(OSError):
            for at in range(_PATIENCE):
                handler.wfile.write(content[at : at + 1])
                time.sleep(1)
            handler.wfile.write(content[_PATIENCE:])

    world.answers[APP] = drip


def package_redirected(world, project):
    path = next(world.served.rglob(f"*{APP}"))
    world.answers[APP] = lambda handler: _redirect(handler, path.as_uri())


def package_redirected_often(world, project):
    """More redirects than are followed, and the right bytes at their end."""
    content = _served(world, APP)

    def answer(handler):
        _, _, round_ = handler.path.removesuffix(APP).rpartition("/round-")
        number = int(round_) if round_.isdigit() else 0
        if number < _REDIRECTS:
            _redirect(handler, f"{world.url}/round-{number + 1}{APP}")
        else:
            _send(handler, content)

    world.answers[APP] = answer


def release_redirected_to_plain(world, project):
    world.redirects[RELEASE] = f"{world.url}/debian/dists{RELEASE}"


def release_by_a_stranger(world, project):
    world.archive.secret = pysequoia.Tsk.generate("Test archive <test@example.org>")
    world.archive.publish()


def hash_downgraded(world, project):
    """The strong hash is of the right index; the weaker one is of what the mirror serves."""
    world.archive.main.by_hash = False
    world.archive.main.hashes = ("SHA512", "SHA256")
    world.archive.main.wrong = ("SHA512",)
    world.archive.publish()


def index_swapped(world, project):
    """Another index, as long as the right one, in all its places."""
    for path in (world.served / "debian" / "dists" / "bookworm").rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"\xfd7zXZ"):
            _flip(path)


def deb_through_a_link(world, project):
    world.add_deb("dpkg", links={"usr/share/way": "/etc"}, files={"usr/share/way/passwd": b"me"}, Essential="yes")
    world.archive.publish()


def deb_sparse(world, project):
    world.add_deb("dpkg", sparse={"usr/share/vast": 1 << 34}, Essential="yes")
    world.archive.publish()


def deb_through_a_link_of_another(world, project):
    world.add_deb("dpkg", links={"usr/share/way": "/etc"}, Essential="yes", Depends="zz-second")
    world.add_deb("zz-second", files={"usr/share/way/passwd": b"me"})
    world.archive.publish()


def deb_hard_link_out(world, project):
    world.add_deb("dpkg", hard_links={"usr/share/mine": "../../etc/shadow"}, Essential="yes")
    world.archive.publish()


def deb_hard_link_absent(world, project):
    world.add_deb("dpkg", hard_links={"usr/share/mine": "./etc/shadow"}, Essential="yes")
    world.archive.publish()


def deb_hard_link_to_link(world, project):
    world.add_deb(
        "dpkg",
        links={"usr/share/way": "/etc/shadow"},
        hard_links={"usr/share/mine": "./usr/share/way"},
        Essential="yes",
    )
    world.archive.publish()


def deb_replaces(world, project):
    world.add_deb("dpkg", files={"usr/bin/dpkg": b"right"}, Essential="yes", Depends="zz-second")
    world.add_deb("zz-second", files={"usr/bin/dpkg": b"wrong"})
    world.archive.publish()


def deb_script_leaves(world, project):
    world.add_deb("app", "2", scripts={"../../../../etc/cron.d/postinst": "#!/bin/sh\n"})
    world.archive.publish()


def deb_cut(world, project):
    world.add_deb("app", "2", changed=lambda content: content[:-20])
    world.archive.publish()


def deb_is_a_program(world, project):
    world.add_deb("app", "2", changed=lambda content: b"#!/bin/sh\n" + content)
    world.archive.publish()


def package_of_two_hashes(world, project):
    content = _served(world, APP)
    _listed(world).update(SHA512=hashlib.sha512(content).hexdigest(), SHA256="0" * 64)
    world.archive.publish()


def package_of_a_weak_hash(world, project):
    content = _served(world, APP)
    del _listed(world)["SHA256"]
    _listed(world)["MD5sum"] = hashlib.md5(content).hexdigest()  # noqa: S324 - what must not count
    world.archive.publish()


def package_without_size(world, project):
    del _listed(world)["Size"]
    world.archive.publish()


def release_undated(world, project):
    world.archive.main.dated = ""
    world.archive.publish()


def release_misdated(world, project):
    world.archive.main.dated = "Date: yesterday"
    world.archive.publish()


def release_forbidden(world, project):
    def forbid(handler):
        handler.send_response(403)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    world.answers[RELEASE] = forbid


def wheel_swapped(world, project):
    """Another wheel of that version, and the index still lists the right one's hash."""
    page = world.served / "simple" / "blue" / "index.html"
    listed = page.read_text()
    world.add_wheel("blue", extra=[("blue_more.py", b"import os")])
    page.write_text(listed)


def wheel_links(world, project):
    _wheel(world, [("blue_way", b"/etc/passwd")], lambda info: _mode(info, 0o120777, "blue_way"))


def wheel_doubles(world, project):
    second = [("blu_.py", b"import os")]
    world.add_wheel("blue", "1.1", unlisted=second, changed=lambda raw: raw.replace(b"blu_.py", b"blue.py"))


def wheel_encrypted(world, project):
    world.add_wheel(
        "blue", "1.1", extra=[("blue_locked.py", b"x")], changed=lambda raw: _flagged(raw, b"blue_locked.py")
    )


def wheel_vast(world, project):
    """The directory of the archive tells of a member of 3 GiB, three times."""
    names = [f"blue_{number}.py" for number in range(3)]

    def changed(raw):
        for name in names:
            raw = _in_directory(raw, name.encode(), 24, (3 << 30).to_bytes(4, "little"))
        return raw

    world.add_wheel("blue", "1.1", extra=[(name, b"x") for name in names], changed=changed)


def wheel_missized(world, project):
    world.add_wheel("blue", "1.1", recorded=lambda rows: rows.replace(",0\n", ",7\n", 1))


def wheel_weakly_hashed(world, project):
    world.add_wheel("blue", "1.1", recorded=lambda rows: rows.replace("sha256=", "md5=", 1))


def _wheel(world, extra, each):
    world.add_wheel("blue", "1.1", extra=extra, info=each)


def _mode(info, mode, name):
    if info.filename == name:
        info.external_attr = mode << 16


def _flagged(raw, name):
    """Return a zip whose directory says of a member that it is encrypted."""
    return _in_directory(raw, name, 8, b"\x01\x00")


def _in_directory(raw, name, offset, content):
    """Return a zip with other bytes at an offset of a member's entry in its directory (APPNOTE.TXT 4.3.12)."""
    start = raw.rindex(name) - 46 + offset
    return raw[:start] + content + raw[start + len(content) :]


def _listed(world):
    return next(each for each in world.archive.main.packages if each["Package"] == "app")


def _flip(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes((content[-1] ^ 1,)))


def _served(world, end):
    return next(world.served.rglob(f"*{end}")).read_bytes()


def _head(handler, length=None):
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.send_header("Connection", "close")
    handler.end_headers()


def _send(handler, *blocks, length=None):
    _head(handler, length)
    with contextlib.suppress(OSError):
        for block in blocks:
            handler.wfile.write(block)


def _redirect(handler, target):
    handler.send_response(302)
    handler.send_header("Location", target)
    handler.send_header("Content-Length", "0")
    handler.end_headers()
