"""What the machine already knows about registries of npm: the environment, and the ``.npmrc`` of user and machine.

As with the files of ``machine``, nothing here fails on one that is missing or not understood.

Source: npm's documentation, "config" and "npmrc".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(r"\s*(?P<key>[^=;#\s][^=]*?)\s*=\s*(?P<value>.*?)\s*")
_VARIABLE = re.compile(r"\$\{(?P<name>[^}]+)\}")
_SCOPED = re.compile(r"(?P<scope>@[^:/]+):registry")
_CREDENTIAL = re.compile(r"//(?P<place>.+):(?P<kind>_authToken|_auth)")
_MACHINE = ("etc/npmrc", "usr/etc/npmrc", "usr/local/etc/npmrc")


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmSettings:
    """Which registries are asked, and as whom.

    Args:
        registries: scope → base URL, as ``@acme``; the empty one is for all other packages, and may be missing.
        credentials: host and path of a registry → header of who asks it.
    """

    registries: Mapping[str, str] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_npm_settings(environment: Mapping[str, str], home: Path, root: Path) -> NpmSettings:
    """Return the settings of this machine: the environment's before the user's file, and that before the machine's.

    A project's own ``.npmrc`` is not read: a lock would depend on the folder that it was made in.

    Args:
        environment: the caller's environment variables.
        home: the caller's home folder.
        root: the folder below which the machine's files are read.
    """
    variables = {name.lower(): value for name, value in environment.items() if value}
    user = Path(variables.get("npm_config_userconfig") or home / ".npmrc")
    settings: dict[str, str] = {}
    for path in (*(root / each for each in _MACHINE), user):
        settings |= _settings(path, environment)
    if "npm_config_registry" in variables:
        settings["registry"] = variables["npm_config_registry"]
    registries = {match["scope"]: value for key, value in settings.items() if (match := _SCOPED.fullmatch(key))}
    if settings.get("registry"):
        registries[""] = settings["registry"]
    return NpmSettings(
        registries={scope: url.rstrip("/") for scope, url in registries.items()}, credentials=_credentials(settings)
    )


def _credentials(settings: Mapping[str, str]) -> dict[str, str]:
    kinds = {"_authToken": "Bearer", "_auth": "Basic"}
    found = ((_CREDENTIAL.fullmatch(key), value) for key, value in settings.items())
    return {match["place"]: f"{kinds[match['kind']]} {value}" for match, value in found if match and value}


def _settings(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {match["key"]: _expanded(match["value"].strip("\"'"), environment) for match in found if match}


def _expanded(value: str, environment: Mapping[str, str]) -> str:
    """Return a value with ``${NAME}`` replaced; one that is not set stays, as npm leaves it."""
    return _VARIABLE.sub(lambda match: environment.get(match["name"], match[0]), value)
