"""Rules about users and groups.

Source: passwd(5), shadow(5), group(5).
"""

from collections.abc import Iterator

from pipeline.lint.contents import Contents, Node
from pipeline.lint.rule import Found, Severity, rule

_PASSWD, _SHADOW, _GROUP = "etc/passwd", "etc/shadow", "etc/group"
_FIRST, _LAST = 1000, 59999  # Debian policy 9.2.2: accounts of people
_NO_SHELLS = ("nologin", "false", "sync")


@rule(
    "password-empty",
    Severity.ERROR,
    why="Anybody becomes this user without a password.",
    fix="Lock the account: `passwd --lock USER`.",
    reads=f"^({_SHADOW}|{_PASSWD})$",
)
def password_empty(contents: Contents) -> Iterator[Found]:
    """Find accounts that want no password."""
    for path in (_PASSWD, _SHADOW):
        for node, row in _rows(contents, path, 2):
            if not row[1]:
                yield Found.at(node, f"lets {row[0][:40]} in without a password")


@rule(
    "password-hash",
    Severity.WARNING,
    why="All containers have the same password, and whoever has the image can guess it at leisure.",
    fix="Lock the account: `passwd --lock USER`.",
    reads=f"^({_SHADOW}|{_PASSWD})$",
)
def password_hash(contents: Contents) -> Iterator[Found]:
    """Find accounts with a password."""
    for path in (_PASSWD, _SHADOW):
        for node, row in _rows(contents, path, 2):
            if row[1].startswith("$"):
                yield Found.at(node, f"holds the password of {row[0][:40]}")


@rule(
    "uid-twice",
    Severity.WARNING,
    why="Two names are one user: files and rights of the one are the other's.",
    fix="Give each account a uid of its own.",
    reads=f"^{_PASSWD}$",
)
def uid_twice(contents: Contents) -> Iterator[Found]:
    """Find uids with two names; root's has a rule of its own."""
    names: dict[str, str] = {}
    for node, row in _rows(contents, _PASSWD, 7):
        if names.setdefault(row[2], row[0]) != row[0] and row[2] != "0":
            yield Found.at(node, f"gives {row[0][:40]} the uid {row[2][:10]} of {names[row[2]][:40]}")


@rule(
    "name-twice",
    Severity.WARNING,
    why="Only the first line counts; who added the second believes otherwise.",
    fix="Write each name once.",
    reads=f"^({_GROUP}|{_PASSWD})$",
)
def name_twice(contents: Contents) -> Iterator[Found]:
    """Find names of users or groups that stand twice."""
    for path in (_GROUP, _PASSWD):
        seen = set()
        for node, row in _rows(contents, path, 3):
            if row[0] in seen:
                yield Found.at(node, f"has {row[0][:40]} twice")
            seen.add(row[0])


@rule(
    "root-twin",
    Severity.ERROR,
    why="The account has all of root's rights under a name that nobody watches.",
    fix="Delete the account.",
    reads=f"^{_PASSWD}$",
)
def root_twin(contents: Contents) -> Iterator[Found]:
    """Find users with root's uid and another name."""
    for node, row in _rows(contents, _PASSWD, 7):
        if row[2] == "0" and row[0] != "root":
            yield Found.at(node, f"makes {row[0][:40]} another root")


@rule(
    "home-missing",
    Severity.NOTE,
    why="Programs that keep something in HOME fail, or write it to /.",
    fix="Make the folder and give it to the user: `useradd --create-home`.",
    reads=f"^{_PASSWD}$",
)
def home_missing(contents: Contents) -> Iterator[Found]:
    """Find people's accounts without a home."""
    for node, row in _rows(contents, _PASSWD, 7):
        is_person = row[2].isdecimal() and _FIRST <= int(row[2]) <= _LAST and not _has_no_shell(row)
        if is_person and not contents.has(row[5]):
            yield Found.at(node, f"sends {row[0][:40]} to {row[5][:60]}, which is not there")


@rule(
    "user-unknown",
    Severity.ERROR,
    why="The container does not start.",
    fix="Make the account, or write the user as a number.",
    reads=f"^{_PASSWD}$",
)
def user_unknown(contents: Contents) -> Iterator[Found]:
    """Find a configured user that has no account."""
    user = contents.image.user.partition(":")[0]
    if user and not user.isdecimal() and user not in {row[0] for _, row in _rows(contents, _PASSWD, 3)}:
        yield Found(what=f"it runs as {user[:40]!r}, who has no account")


def _has_no_shell(row: list[str]) -> bool:
    return row[6].rpartition("/")[2] in _NO_SHELLS


def _rows(contents: Contents, path: str, least: int) -> Iterator[tuple[Node, list[str]]]:
    """Yield the lines of a database that have enough fields."""
    node = contents.get(path)
    for line in node.text.splitlines() if node else ():
        row = line.split(":")
        if node and len(row) >= least and row[0] and not row[0].startswith(("#", "+", "-")):
            yield node, row


RULES = (password_empty, password_hash, uid_twice, name_twice, root_twin, home_missing, user_unknown)
