"""Who an image's ``User`` is: looked up in the image's own /etc/passwd and /etc/group, as engines do.

Source: OCI image specification, config.md, "User"; passwd(5), group(5).
"""

from collections.abc import Callable, Iterator

from runtime.data import dataclass
from runtime.errors import ImageError

PASSWD, GROUP = "etc/passwd", "etc/group"

_HIGHEST = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of an image: ids, further groups in order, home (``/`` if the image names none), and its passwd entry."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"
    named: bool = False


def find_account(user: str, read: Callable[[str], str]) -> Account:
    """Return who ``user`` is.

    Args:
        user: ``User`` of an image: empty for root, a name or an id, perhaps with ``:`` and a group.
        read: returns the text of a file of the image, by its path without the first slash; empty where there is none.

    Raises:
        ImageError: the image knows no such user or group, or an id is none.
    """
    who, colon, group = user.partition(":")
    who = who or "0"
    entry = _entry(who, read(PASSWD))
    if entry is None and not _is_id(who):
        raise ImageError(
            f"the image runs as {user!a}, and its /etc/passwd has no user {who!a}",
            hint="an id needs no entry: `--set user=app` is 1000, `--set user=root` is 0",
        )
    uid = int(entry[2]) if entry else int(who)
    name, home = (entry[0], entry[5]) if entry else ("", "/")
    if colon and group:
        return Account(uid=uid, gid=_group(user, group, read(GROUP)), home=_home(home), named=entry is not None)
    groups = _groups_of(name, read(GROUP)) if name and uid else ()
    gid = int(entry[3]) if entry else 0
    return Account(
        uid=uid, gid=gid, groups=tuple(sorted(set(groups) - {gid})), home=_home(home), named=entry is not None
    )


def _entry(who: str, text: str) -> list[str] | None:
    """Return the fields of the first entry of a name, or of an id where no name is equal to it."""
    entries = [each for each in _fields(text, 7) if _is_id(each[2]) and _is_id(each[3])]
    by_name = next((each for each in entries if each[0] == who), None)
    return by_name or next((each for each in entries if _is_id(who) and int(each[2]) == int(who)), None)


def _group(user: str, group: str, text: str) -> int:
    found = next((each for each in _fields(text, 4) if each[0] == group and _is_id(each[2])), None)
    if found is None and not _is_id(group):
        raise ImageError(f"the image runs as {user!a}, and its /etc/group has no group {group!a}")
    return int(found[2]) if found else int(group)


def _groups_of(name: str, text: str) -> list[int]:
    return [int(each[2]) for each in _fields(text, 4) if _is_id(each[2]) and name in each[3].split(",")]


def _fields(text: str, count: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        found = line.split(":")
        if len(found) == count and found[0]:
            yield found


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < _HIGHEST


def _home(path: str) -> str:
    """Return a home that a run can have; what is no plain absolute path is none."""
    is_plain = path.startswith("/") and ".." not in path.split("/") and path.isprintable()
    return "/" + "/".join(part for part in path.split("/") if part not in ("", ".")) if is_plain else "/"
