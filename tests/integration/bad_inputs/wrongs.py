"""What is wrong in each case of packages.yaml: a function that spoils the world or the project."""

import json
from datetime import timedelta


def spec_changed(world, project):
    _replace(project / "spec.yaml", "[app]", "[app, libc6]")


def dependency_file_changed(world, project):
    (project / "requirements.txt").write_text("blue==1.0\nred\n")


def lock_key_twice(world, project):
    _replace(project / "spec.lock.json", '"epoch": ', '"epoch": "2001-01-01T00:00:00Z",\n "epoch": ')


def lock_cut(world, project):
    path = project / "spec.lock.json"
    path.write_bytes(path.read_bytes()[:200])


def lock_deep(world, project):
    (project / "spec.lock.json").write_text("[" * 100_000)


def lock_newer(world, project):
    _lock(project, lambda lock: lock.update(seatrial=2))


def lock_unknown_key(world, project):
    _package(project, lambda package: package.update(url="https://example.org/app.deb"))


def lock_lacks_a_stage(world, project):
    _lock(project, lambda lock: [each["image"].pop("stages") for each in lock["architectures"].values()])


def lock_path_leaves(world, project):
    _package(project, lambda package: package.update(source="debian:pool/../../../etc/passwd"))


def lock_other_hash(world, project):
    _package(project, lambda package: package.update(hash="sha256:" + "0123456789abcdef" * 4))


def lock_other_size(world, project):
    # Another hash too: bytes with the right one are in no cache under it, and the size is judged first.
    _package(project, lambda package: package.update(size=package["size"] + 1, hash="sha256:" + "fedcba9876543210" * 4))


def package_gone(world, project):
    for path in world.served.rglob("app_1_all.deb"):
        path.unlink()


def wheel_gone(world, project):
    for path in world.served.rglob("blue-*.whl"):
        path.unlink()


def mirror_down(world, project):
    world.stop()


def release_tampered(world, project):
    path = world.archive.release_path(world.archive.main)
    path.write_bytes(path.read_bytes().replace(b"Origin: Test", b"Origin: Evil"))


def release_expired(world, project):
    world.archive.security.valid_until = world.archive.security.date + timedelta(hours=1)
    world.archive.publish()


def release_future(world, project):
    world.archive.main.date += timedelta(days=4)
    world.archive.publish()


def release_rolled_back(world, project):
    world.archive.updates.date -= timedelta(hours=1)
    world.archive.publish()


def release_other_suite(world, project):
    world.archive.main.codename = "trixie"
    world.archive.publish()


def index_other_hash(world, project):
    world.archive.main.wrong = ("SHA256",)
    world.archive.publish()


def index_weak_hashes(world, project):
    world.archive.main.hashes = ("MD5Sum", "SHA1")
    world.archive.publish()


def index_path_leaves(world, project):
    listed = next(each for each in world.archive.main.packages if each["Package"] == "app")
    listed["Filename"] = "../../etc/passwd"
    world.archive.publish()


def index_larger(world, project):
    world.archive.main.listed = 100
    world.archive.publish()


def packages_conflicting(world, project):
    world.archive.add("rival", conflicts="lib")
    world.archive.publish()


def dependency_too_new(world, project):
    world.archive.add("app", "2", depends="lib (>= 3)")
    world.archive.publish()


def python_conflicting(world, project):
    world.add_wheel("blue", "2.0")
    world.add_wheel("red", "2.0", requires=("blue>=2",))
    _remove(world, "red-1.0")


def requirements_other_index(world, project):
    (project / "requirements.txt").write_text("blue==1.0\n--extra-index-url https://example.org/simple\n")


def sdist_only(world, project):
    world.add_sdist("green")


def deb_leaves(world, project):
    world.add_deb("dpkg", files={"../escaped": b"outside"}, Essential="yes")
    world.archive.publish()


def deb_device(world, project):
    world.add_deb("dpkg", device="dev/sda", Essential="yes")
    world.archive.publish()


def wheel_leaves(world, project):
    _remove(world, "blue-1.0")
    world.add_wheel("blue", "1.1", extra=[("../escaped.py", b"outside")])


def wheel_false_record(world, project):
    _remove(world, "blue-1.0")
    world.add_wheel("blue", "1.1", unlisted=[("blue_extra.py", b"import os\n")])


def keys_spoiled(world, project):
    (project / "archive.asc").write_bytes(b"")


def _remove(world, start):
    """Take a file of the index back."""
    project = start.partition("-")[0]
    page = world.served / "simple" / project / "index.html"
    kept = [line for line in page.read_text().splitlines(keepends=True) if f'"{start}-' not in line]
    page.write_text("".join(kept))


def _replace(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _lock(project, change):
    path = project / "spec.lock.json"
    lock = json.loads(path.read_text())
    change(lock)
    path.write_text(json.dumps(lock, indent=1) + "\n")


def _package(project, change):
    def first(lock):
        packages = lock["architectures"]["amd64"]["image"]["debian"]
        change(next(each for each in packages if each["name"] == "app"))

    _lock(project, first)
