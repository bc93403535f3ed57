"""Whose the files of a layer are: the accounts, the owners, and the modes of folders that lower layers have too."""

import errno
import os
import posixpath
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.declare.errors import BuildError
from pipeline.declare.image import BuiltImage
from runtime.backends.native.idmap import BASE
from runtime.backends.native.mapped import run_mapped
from runtime.oci.owners import Owners

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def adopt(folder: Path, below: Sequence[Path]) -> None:
    """Give what was laid into a folder to user 0 inside; folders of lower layers keep their owner and mode.

    Args:
        folder: a layer that is being made.
        below: the unpacked layers under it, the nearest first.
    """
    if os.geteuid() == 0:
        for path, folders, files in os.walk(folder):
            for name in (*folders, *files):
                _take(os.path.join(path, name))  # noqa: PTH118
    run_mapped(_keep_folders, directories=(folder, *below))


def _take(path: str) -> None:
    """Give what is at a path to user 0 inside; the kernel takes set-user-id bits for that, and they are set again."""
    status = os.lstat(path)
    os.lchown(path, BASE, BASE)
    if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_ISUID | stat.S_ISGID):
        os.chmod(path, stat.S_IMODE(status.st_mode))  # noqa: PTH101


def give_home(folder: Path, image: BuiltImage) -> None:
    """Give the user its home, once everything else was adopted."""
    home, uid = image.user.home.strip("/"), image.user.uid
    run_mapped(lambda root: Owners.here().give_name(home, (uid, uid), folder=root), directories=(folder,))


def add_user(folder: Path, below: Sequence[Path], image: BuiltImage, *, epoch: int) -> None:
    """Write the user into copies of the account files, and make its home.

    Args:
        folder: the layer that is being made.
        below: the unpacked layers under it, the nearest first.
        image: says which user.
        epoch: seconds since 1970.

    Raises:
        BuildError: the image's /etc is no folder.

    Source: passwd(5), group(5), shadow(5); the day of the last change is the epoch's.
    """
    user = image.user
    home = folder / user.home.strip("/")
    home.mkdir(parents=True)
    home.chmod(0o755)
    if user.uid == 0:
        return
    etc = folder / "etc"
    etc.mkdir(exist_ok=True)
    lines = {
        "passwd": f"{user.name}:x:{user.uid}:{user.uid}::{user.home}:/bin/sh\n",
        "group": f"{user.name}:x:{user.uid}:\n",
        "shadow": f"{user.name}:!:{epoch // 86400}:0:99999:7:::\n",
        "gshadow": f"{user.name}:!::\n",
    }
    for name, line in lines.items():
        source = _nearest(f"etc/{name}", below)
        if source is not None:
            content, mode = source
            (etc / name).write_bytes(content + line.encode())
            (etc / name).chmod(mode)


def _nearest(path: str, below: Sequence[Path]) -> tuple[bytes, int] | None:
    """Return content and mode of what the nearest layer has at a path; None where that is no file, or nothing.

    The layers hold what scripts of packages made: a link on the way may lead to the files of this machine.
    """
    folder, _, name = path.rpartition("/")
    for layer in below:
        try:
            above = os.open(layer / folder, _FOLDER)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise BuildError(
                f"/{folder} of the image is a link or a file: a package made it so, and it is not followed",
                hint="leave that package out, or see where it came from: it may be hostile",
            ) from error
        try:
            descriptor = os.open(name, _FILE, dir_fd=above)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.ELOOP:  # a link
                raise
            return None
        finally:
            os.close(above)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
            status = os.fstat(descriptor)
            return (file.read(), stat.S_IMODE(status.st_mode)) if stat.S_ISREG(status.st_mode) else None
    return None


def refuse_links(paths: Iterable[str], below: Sequence[Path]) -> None:
    """Refuse files whose way leads through a link of the image: a folder in its place would hide what it leads to.

    Args:
        paths: of the files, relative to the tree.
        below: the unpacked layers under them, the nearest first.

    Raises:
        BuildError: one does, as ``bin/tool`` where /bin is a link to usr/bin; the hint is the path without the link.
    """
    seen = set[str]()
    for path in paths:
        parts = path.split("/")
        for length in range(1, len(parts)):
            folder = "/".join(parts[:length])
            target = "" if folder in seen else _link_of(folder, below)
            if target:
                raise BuildError(
                    f"/{path} leads through /{folder}, which is a link to {target!r} in the image",
                    hint=f"write 'to: /{posixpath.normpath('/'.join((target, *parts[length:]))).lstrip('/')}'"
                    if "/" not in folder
                    else "write the path without the link",
                )
            seen.add(folder)


def _link_of(path: str, below: Sequence[Path]) -> str:
    """Return where the nearest layer that has a path leads from there; empty if that is no link."""
    for layer in below:
        try:
            found = os.lstat(layer / path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        return str((layer / path).readlink()) if stat.S_ISLNK(found.st_mode) else ""
    return ""


def _keep_folders(root: int, *below: int) -> None:
    """Give each folder, and each account file, of a tree the owner and mode that the nearest lower layer gives it."""
    owners = Owners.here()
    for path, folders, files, descriptor in os.fwalk(".", dir_fd=root):
        inside = path.removeprefix(".").lstrip("/")
        for name in (*folders, *(each for each in files if inside == "etc")):
            found = _find(f"{inside}/{name}".lstrip("/"), below)
            if found is not None:
                status, lower = found
                owner = owners.of_name(f"{inside}/{name}".lstrip("/"), status, folder=lower)
                owners.give_name(name, owner, folder=descriptor)
                os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=descriptor)
            elif name in folders:
                os.chmod(name, 0o755, dir_fd=descriptor)  # noqa: S103 - folders of an image are open to read
            os.utime(name, (0, 0), dir_fd=descriptor, follow_symlinks=False)


def _find(path: str, below: tuple[int, ...]) -> tuple[os.stat_result, int] | None:
    """Return what the nearest lower layer has at a path, and the descriptor of that layer."""
    for lower in below:
        try:
            if not _leads_through_link(path, lower):
                return os.stat(path, dir_fd=lower, follow_symlinks=False), lower
        except (FileNotFoundError, NotADirectoryError):
            continue
    return None


def _leads_through_link(path: str, root: int) -> bool:
    """Tell whether a folder above a path is a link, which may lead out of the layer to this machine's own folders."""
    parts = path.split("/")
    above = ("/".join(parts[:length]) for length in range(1, len(parts)))
    return any(stat.S_ISLNK(os.stat(each, dir_fd=root, follow_symlinks=False).st_mode) for each in above)
