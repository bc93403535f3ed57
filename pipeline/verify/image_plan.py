"""``image_plan``: what an image runs by its own words, before any host is applied."""

from collections.abc import Sequence
from pathlib import Path

from runtime.backends.native.idmap import ARBITRARY, RANGE
from runtime.errors import ImageError
from runtime.oci.accounts import find_account
from runtime.oci.image import Image
from runtime.oci.stacked import read_stacked
from runtime.plan import Plan, User

_ANYBODY = User(uid=0, gid=0, home="/")


def image_plan(
    image: Image, layers: Sequence[Path], name: str, argv: Sequence[str] | None = None, *, has_own_user: bool = True
) -> Plan:
    """Return the run of an image.

    Args:
        image: what is run.
        layers: its unpacked layers, lowest first.
        name: by which people know it.
        argv: what is run in place of its own entry point and arguments.
        has_own_user: whether its own user runs it; if the host has another one, it may be nobody.

    Raises:
        ImageError: it has nothing to run, or asks for what no run has.
    """
    argv = tuple(argv or (*image.entrypoint, *image.command))
    if not argv:
        raise ImageError(f"{name} has neither an entry point nor a command", hint="give its spec a `command`")
    texts = {"a command": argv, "a variable": tuple(f"{key}={value}" for key, value in image.environment.items())}
    for what, each in ((what, each) for what, found in texts.items() for each in found):
        if not _is_text(each):
            raise ImageError(f"{name} has {what} that no program can be given: {each[:80]!a}")
    if "" in image.environment:
        raise ImageError(f"{name} has a variable without a name")
    workdir = image.workdir
    if not workdir.startswith("/") or ".." in workdir.split("/") or not _is_text(workdir):
        raise ImageError(f"{name} has the working folder {workdir[:80]!a}, which is no absolute path")
    return Plan(
        image=image.digest,
        suite=None,
        argv=argv,
        workdir=workdir,
        environment=dict(image.environment),
        user=_user_of(image, layers, name) if has_own_user else _ANYBODY,
        capabilities=(),
    )


def _user_of(image: Image, layers: Sequence[Path], name: str) -> User:
    """Return who runs an image by its own words; a run has the ids of ``runtime.backends.native.idmap``, no others."""
    account = find_account(image.user, lambda path: read_stacked(layers, path).decode("utf-8", "replace"))
    groups = (account.gid, *account.groups)
    if (account.uid >= RANGE - 1 and account.uid != ARBITRARY) or max(groups) >= RANGE:
        raise ImageError(
            f"{name} runs as {account.uid}:{account.gid}, and a run has users up to {RANGE - 2} and groups up to "
            f"{RANGE - 1}",
            hint="add `--set user=app` for another user",
        )
    return User(uid=account.uid, gid=account.gid, groups=account.groups, home=account.home, named=account.named)


def _is_text(text: str) -> bool:
    """Tell whether the kernel takes it: no NUL, and nothing that UTF-8 has not."""
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False
