"""``umask``, ``home``, ``environment``, ``columns``, ``hash-seed``: what a program inherits without asking."""

import re

from runtime.data import replace
from runtime.factors.factor import Factor
from runtime.factors.questions import UID_MAP, Answers
from runtime.plan import Attributes, Plan, Tmpfs

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UMASK = re.compile(r"0?[0-7]{3}")
_CLOSED_PORT = "http://127.0.0.1:9"
_ENVIRONMENTS = {
    "minimal": {},
    "ci": {"CI": "true", "GITHUB_ACTIONS": "true"},
    "gitlab-ci": {"CI": "true", "GITLAB_CI": "true"},
    "proxy": dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _CLOSED_PORT),
    "force-color": {"FORCE_COLOR": "1"},
    "term-color": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "null": {"SEATRIAL_NULL_CONTROL": "1"},
}

_OURS = tuple(sorted({key for values in _ENVIRONMENTS.values() for key in values}))


class UmaskFactor(Factor):
    """The file mode creation mask."""

    name = "umask"
    default = "0022"
    control = "0022"
    levels = {"0022": "new files can be read by all", "0077": "by nobody else", "0002": "and written by the group"}
    names = "umask st_mode S_IMODE S_IRGRP S_IWGRP S_IROTH S_IWOTH chmod fchmod access mkdir makedirs copymode"
    signs = "makes *; chmods *; errno EACCES"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set it."""
        if not _UMASK.fullmatch(level):
            raise self.unknown(level)
        return replace(plan, umask=int(level, 8))

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The mask."""
        return ("umask",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say it."""
        return answers.text("umask")

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as asked."""
        return int(found, 8) == int(level, 8)


class HomeFactor(Factor):
    """HOME and the folder that it names."""

    name = "home"
    default = "user"
    control = "user"
    levels = {
        "user": "HOME names a folder that the user owns",
        "unset": "there is no HOME",
        "unwritable": "HOME names a folder of root with mode 0555",
    }
    names = "expanduser home"
    signs = (
        "variable HOME; variable XDG_*; looks ~; opens ~; makes ~; writes ~; lists ~; errno EACCES; "
        "raises KeyError; raises RuntimeError"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the variable, and give the folder its owner and mode."""
        if level not in self.levels:
            raise self.unknown(level)
        home = plan.user.home
        environment = {key: value for key, value in plan.environment.items() if key != "HOME"}
        if level != "unset":
            environment["HOME"] = home
        plan = replace(plan, environment=environment)
        if home == "/":
            return plan
        uid, gid, mode = (0, 0, 0o555) if level == "unwritable" else (plan.user.uid, plan.user.gid, 0o755)
        own = Attributes(path=home, uid=uid, gid=gid, mode=mode)
        tmpfs = tuple(_with_owner(each, own) if each.path == home else each for each in plan.tmpfs)
        return replace(plan, attributes=(*plan.attributes, own), tmpfs=tmpfs)

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """The variable, the owner and mode of the folder, and how many ids there are."""
        return "variable HOME", f"attributes {plan.user.home}", UID_MAP

    def probe(self, plan: Plan, answers: Answers) -> str:
        """Say all four."""
        home = f"HOME={answers.text('variable HOME')}"
        folder = answers.words(f"attributes {plan.user.home}")
        one = " ids=1" if answers.has_one_id() else ""
        return f"{home} owner={folder[0]} mode={folder[2]}{one}" if folder else f"{home} missing"

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """Variable, owner and mode are as asked."""
        home = plan.user.home
        match level:
            case "unset":
                return found.startswith("HOME= ")
            case "unwritable":
                shown = f"owner={plan.user.uid} mode=0555 ids=1"  # all files are shown as the user's there
                return found in (f"HOME={home} owner=0 mode=0555", f"HOME={home} {shown}")
            case _:
                return found.startswith(f"HOME={home} owner={0 if home == '/' else plan.user.uid} ")


class EnvironmentFactor(Factor):
    """Which variables are set besides the image's own, PATH, HOME, LANG and PYTHONHASHSEED."""

    name = "environment"
    default = "minimal"
    control = "null"
    levels = {
        "minimal": "the image's own, PATH, HOME, LANG and PYTHONHASHSEED=0, nothing else",
        "ci": "CI and GITHUB_ACTIONS",
        "gitlab-ci": "CI and GITLAB_CI",
        "proxy": "http_proxy and https_proxy name a closed port",
        "force-color": "FORCE_COLOR=1",
        "term-color": "TERM and COLORTERM of a terminal with colors",
        "null": "one variable that nobody reads (null control)",
    }
    names = "getproxies getproxies_environment proxy_bypass ProxyHandler build_opener urlopen environ getenv urllib"
    signs = (
        "variable CI; variable GITHUB_ACTIONS; variable all_proxy; variable http*; variable HTTP*; "
        "variable no_proxy; variable NO_COLOR; variable FORCE_COLOR; variable TERM; variable COLORTERM; "
        "raises urllib.error.URLError; errno ECONNREFUSED"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Add the variables."""
        if level not in self.levels:
            raise self.unknown(level)
        return replace(plan, environment={"PATH": _PATH, **plan.environment, **_ENVIRONMENTS[level]})

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """Our variables; no other value, which may be a secret, leaves the run."""
        return tuple(f"variable {key}" for key in _OURS)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002 - what is found must not come from the plan
        """Say those that are set."""
        found = {key: f"variable {key}" for key in _OURS}
        return " ".join(f"{key}={answers.text(asked)}" for key, asked in found.items() if answers.succeeded(asked))

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """Each variable of the level is there, and no name that the plan has not."""
        entries = dict(entry.split("=", 1) for entry in found.split())
        return _ENVIRONMENTS[level].items() <= entries.items() and entries.keys() <= plan.environment.keys()


class ColumnsFactor(Factor):
    """COLUMNS, by which programs without a terminal learn how wide to write."""

    name = "columns"
    default = "unset"
    control = "80"
    levels = {"unset": "there is no COLUMNS", "40": "COLUMNS=40 (any number)", "80": "COLUMNS=80, what programs assume"}
    names = (
        "get_terminal_size wrap fill shorten indent format_help format_usage print_help print_usage "
        "ArgumentParser HelpFormatter argparse textwrap"
    )
    signs = "variable COLUMNS; asks terminal-size"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the variable."""
        if level != "unset" and not (level.isascii() and level.isdigit() and int(level) > 0):
            raise self.unknown(level)
        environment = {key: value for key, value in plan.environment.items() if key != "COLUMNS"}
        if level != "unset":
            environment["COLUMNS"] = level
        return replace(plan, environment=environment)

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The variable."""
        return ("variable COLUMNS",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say it."""
        return answers.text("variable COLUMNS") if answers.succeeded("variable COLUMNS") else "unset"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as asked."""
        return found == level


class HashSeedFactor(Factor):
    """The seed of Python's hashes, which orders its sets."""

    name = "hash-seed"
    default = "0"
    control = "0"
    levels = {"0": "PYTHONHASHSEED=0 (any number)", "1": "PYTHONHASHSEED=1", "random": "another one in each process"}
    names = "hash union intersection difference symmetric_difference PYTHONHASHSEED"
    signs = "builds set; names set; names frozenset; enters set.pop; reaches set.pop"

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set PYTHONHASHSEED."""
        if level != "random" and not (level.isascii() and level.isdigit() and int(level) < 1 << 32):
            raise self.unknown(level)
        return replace(plan, environment={**plan.environment, "PYTHONHASHSEED": level})

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """The variable."""
        return ("variable PYTHONHASHSEED",)

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say it."""
        return answers.text("variable PYTHONHASHSEED") or "unset"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is as asked."""
        return found == level


def _with_owner(tmpfs: Tmpfs, own: Attributes) -> Tmpfs:
    return replace(tmpfs, uid=own.uid, gid=own.gid, mode=own.mode)
