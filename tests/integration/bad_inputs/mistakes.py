"""What somebody did wrong in each case of mistakes.yaml: a function that does it, and may return what undoes it."""

import json
import os
import socket
import subprocess


def web_page(world, user):
    world.answers["/bookworm/InRelease"] = lambda handler: _answer(handler, 200, b"<!DOCTYPE html><p>Please log in</p>")


def proxy_refuses(world, user):
    world.answers["/bookworm/InRelease"] = lambda handler: _answer(handler, 407, b"")


def netrc_spoiled(world, user):
    (user.project / "netrc").write_text("machine example.org\n  login me word secret\n")


def settings_spoiled(world, user):
    folder = user.project / "config" / "seatrial"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("pypi: https://pypi.example.org/simple\ndebian: [\n")


def lock_merged(world, user):
    path = user.project / "spec.lock.json"
    lines = path.read_text().splitlines(keepends=True)
    lines[3:4] = ["<<<<<<< HEAD\n", lines[3], "=======\n", lines[3], ">>>>>>> other\n"]
    path.write_text("".join(lines))


def lock_for_another_architecture(world, user):
    _change(user, lambda lock: lock.update(architectures={"s390x": lock["architectures"]["amd64"]}))


def lock_piped(world, user):
    os.mkfifo(user.project / "spec.lock.json")


def lock_doubled(world, user):
    def double(lock):
        packages = lock["architectures"]["amd64"]["image"]["debian"]
        packages.append(packages[0])

    _change(user, double)


def lock_misdated(world, user):
    _change(user, lambda lock: lock.update(epoch="2026-13-01T00:00:00Z"))


def project_closed(world, user):
    if os.geteuid() != 0:
        user.project.chmod(0o555)
        return lambda: user.project.chmod(0o755)
    subprocess.run(["mount", "--bind", str(user.project), str(user.project)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(user.project)], check=True)
    return lambda: subprocess.run(["umount", str(user.project)], check=True)


def store_taken(world, user):
    user.store.write_text("a file")
    return user.store.unlink


def file_socket(world, user):
    (user.project / "app").mkdir()
    here = os.open(".", os.O_RDONLY)
    os.chdir(user.project / "app")  # the name of a socket has 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket")
    finally:
        os.fchdir(here)
        os.close(here)


def file_piped(world, user):
    os.mkfifo(user.project / "app" / "pipe")


def file_linked(world, user):
    (user.project / "app" / "accounts").symlink_to("/etc/passwd")


def keys_exposed(world, user):
    (user.project / "archive.asc").write_bytes(bytes(world.archive.secret))


def requirement_misheard(world, user):
    (user.project / "requirements.txt").write_text(
        f"# pinned\nblue==1.0 \\\n  --hash=sha256:{'0123456789abcdef' * 4}\n"
    )


def _answer(handler, status, content):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content)))
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(content)


def _change(user, change):
    path = user.project / "spec.lock.json"
    lock = json.loads(path.read_text())
    change(lock)
    path.write_text(json.dumps(lock, indent=1) + "\n")
