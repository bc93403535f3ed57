"""What an attacker does in each case of attacks.yaml: a function that spoils what the world serves."""

import contextlib
import time

import pysequoia

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
