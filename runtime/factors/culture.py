"""``timezone`` and ``locale``: the conventions that a program finds."""

import re

from runtime.data import replace
from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.plan import File, Plan

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
_LOCALE = re.compile(r"[A-Za-z]{1,8}(_[A-Z]{2})?(\.[A-Za-z0-9-]+)?(@[a-z]+)?")
_ARCHIVE = "/usr/lib/locale/locale-archive"
_PYTHON_OFF = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


class TimezoneFactor(Factor):
    """The time zone, by the variable TZ; the reference has UTC in /etc/localtime and no TZ."""

    name = "timezone"
    default = "UTC"
    control = "UTC"
    levels = {
        "UTC": "/etc/localtime is UTC, TZ is not set",
        "Asia/Kolkata": "TZ names it: +05:30, no summer time (any zone can be named)",
        "America/St_Johns": "TZ names it: -03:30, with summer time",
    }
    names = (
        "localtime mktime tzset tzname altzone astimezone fromtimestamp utcoffset ctime asctime ZoneInfo tzlocal "
        "now zoneinfo"
    )
    signs = (
        "opens /etc/localtime; looks /etc/localtime; opens /etc/timezone; opens /usr/share/zoneinfo; "
        "looks /usr/share/zoneinfo; variable TZ"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Link /etc/localtime to UTC, and set TZ for another zone."""
        if not _ZONE.fullmatch(level):
            raise self.unknown(level)
        local = File(path="/etc/localtime", link="/usr/share/zoneinfo/Etc/UTC")
        environment = {key: value for key, value in plan.environment.items() if key != "TZ"}
        if level != "UTC":
            environment["TZ"] = level
        return replace(plan, files=(*plan.files, local), environment=environment)

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002
        """TZ, and where /etc/localtime leads."""
        return "variable TZ", "link /etc/localtime"

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say both."""
        local = answers.text("link /etc/localtime").removeprefix("/usr/share/zoneinfo/")
        return f"TZ={answers.text('variable TZ')} localtime={local or '?'}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """The variable is what varies: an image without zone files does not obey it, as on the real host."""
        return found == f"TZ={'' if level == 'UTC' else level} localtime=Etc/UTC"


class LocaleFactor(Factor):
    """The locale, by LANG; ``C`` also keeps Python from choosing UTF-8 by itself."""

    name = "locale"
    default = "C.UTF-8"
    control = "C.UTF-8"
    levels = {
        "C.UTF-8": "LANG=C.UTF-8",
        "C": "no LANG; LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0",
        "tr_TR.UTF-8": "LANG names it (any locale that the image has; one that it has not makes the run INCONCLUSIVE)",
    }
    names = (
        "setlocale getlocale getdefaultlocale getpreferredencoding getencoding getfilesystemencoding localeconv "
        "strcoll strxfrm nl_langinfo gettext read_text write_text TextIOWrapper fsencode fsdecode utf_8_decode "
        "locale IncrementalDecoder"
    )
    signs = (
        "opens /usr/lib/locale; variable LANG; variable LC_*; variable PYTHON*; raises UnicodeDecodeError; "
        "raises UnicodeEncodeError; raises locale.Error"
    )

    def apply(self, plan: Plan, level: str) -> Plan:
        """Set the variables."""
        if not _LOCALE.fullmatch(level):
            raise self.unknown(level)
        environment = {key: value for key, value in plan.environment.items() if key != "LANG" and key[:3] != "LC_"}
        environment |= {"LC_ALL": "C", **_PYTHON_OFF} if level == "C" else {"LANG": level}
        return replace(plan, environment=environment)

    def questions(self, plan: Plan) -> tuple[str, ...]:
        """The variables, and whether the image has the locale: glibc falls back to C without a word."""
        name = _normalized(plan.environment.get("LC_ALL") or plan.environment.get("LANG", ""))
        return "variable LC_ALL", "variable LANG", _folder_of(name), f"contains {_ARCHIVE} {name}"

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Say which is set, and whether it is there."""
        name = answers.text("variable LC_ALL") or answers.text("variable LANG")
        return f"{name} {'installed' if _is_installed(name, answers) else 'missing'}"

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is set, and it is there."""
        return found == f"{level} installed"


def _is_installed(name: str, answers: Answers) -> bool:
    """Look where glibc looks: built-in names, a folder of the normalized name, the archive. Source: locale(7)."""
    normalized = _normalized(name)
    return (
        name in {"C", "POSIX", "C.UTF-8", "C.utf8"}
        or answers.succeeded(_folder_of(normalized))
        or answers.text(f"contains {_ARCHIVE} {normalized}") == "yes"
    )


def _normalized(name: str) -> str:
    language, _, codeset = name.partition(".")
    return f"{language}.{codeset.replace('-', '').lower()}" if codeset else language


def _folder_of(normalized: str) -> str:
    return f"attributes /usr/lib/locale/{normalized}/LC_CTYPE"
