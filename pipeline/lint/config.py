"""Rules about an image's configuration: it is public, and it decides what every container starts with.

Source: OCI image specification, config.md.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from pipeline.lint.archive import created_at
from pipeline.lint.contents import Contents
from pipeline.lint.rule import Found, Severity, rule

_SECRET_NAME = re.compile(
    r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|SECRET_KEY|CREDENTIALS?)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|glpat-[\w-]{20}|xox[abps]-[\w-]{10,}|npm_[A-Za-z0-9]{36})"
    r"|://[^/\s:@]+:[^/\s@$]+@|-----BEGIN [A-Z ]*PRIVATE KEY"
)
_SECRET_ARGUMENT = re.compile(
    r"(password|passwd|secret|token|api_?key)=[\"']?(?![$<{\"'\s])[^\s\"']{6}"
    r"|--(password|token|secret)[= ](?![$<{\"'\s-])[^\s\"']{6}",
    re.IGNORECASE,
)
_BUILDERS = re.compile(
    r"(^|[=:\s])/(home/(?!app\b|node\b|nonroot\b)[^/\s]+/|Users/[^/\s]+/|builds?/|github/workspace|tmp/)"
)
_PORT = re.compile(r"([0-9]{1,5})(-[0-9]{1,5})?(/(tcp|udp|sctp))?")
_FLOATING = ("latest", "main", "master", "edge", "nightly", "dev", "stable", "head")
_PUBLIC_KEYS = ("GPG_KEY",)
_VERSION_LABELS = ("org.opencontainers.image.version", "org.opencontainers.image.revision",
                   "org.opencontainers.image.base.name", "org.label-schema.version", "version")  # fmt: skip
_SLACK = 300  # seconds that clocks may differ


@rule(
    "root-user",
    Severity.WARNING,
    why="Whoever breaks into the program has root's rights in the container, and a shorter way out.",
    fix="Name a user in the configuration; a number works everywhere.",
)
def root_user(contents: Contents) -> Iterator[Found]:
    """Find images that say that root runs them."""
    if contents.image.user.partition(":")[0] in ("root", "0"):
        yield Found(what=f"it runs as {contents.image.user!r}")


@rule(
    "no-user",
    Severity.NOTE,
    why="Where the runtime does not choose another user, root runs it.",
    fix="Name a user in the configuration; a number works everywhere.",
)
def no_user(contents: Contents) -> Iterator[Found]:
    """Find images that name no user."""
    if not contents.image.user:
        yield Found(what="it names no user")


@rule(
    "environment-secret",
    Severity.ERROR,
    why="The configuration is public to all who can pull the image, and every process inherits it.",
    fix="Revoke the secret, and give it to the container when it starts.",
)
def environment_secret(contents: Contents) -> Iterator[Found]:
    """Find variables that are secrets by name or by value."""
    for name, value in sorted(contents.image.environment.items()):
        is_named = _SECRET_NAME.search(name) and value and name not in _PUBLIC_KEYS and not value.startswith("/")
        if is_named or (_SECRET_VALUE.search(value) and "proxy" not in name.lower()):
            yield Found(what=f"its environment sets {name[:60]}")


@rule(
    "environment-twice",
    Severity.WARNING,
    why="Programs disagree which of the two counts.",
    fix="Set each variable once.",
)
def environment_twice(contents: Contents) -> Iterator[Found]:
    """Find variables that are set twice."""
    section = contents.image.config.get("config")
    listed = section.get("Env") if isinstance(section, Mapping) else None
    names = Counter(str(each).partition("=")[0] for each in listed) if isinstance(listed, (list, tuple)) else Counter()
    for name in sorted(name for name, count in names.items() if count > 1):
        yield Found(what=f"its environment sets {name[:60]} {names[name]} times")


@rule(
    "build-path",
    Severity.WARNING,
    why="The path is one of the build machine: elsewhere it is missing, or somebody else's.",
    fix="Use a path that the image itself has.",
)
def build_path(contents: Contents) -> Iterator[Found]:
    """Find paths of a builder in what the configuration starts."""
    image = contents.image
    places = {"working folder": (image.workdir,), "entry point": image.entrypoint, "command": image.command}
    places |= {f"variable {name[:40]}": (f"={value}",) for name, value in sorted(image.environment.items())}
    for place, texts in places.items():
        for text in texts:
            matched = _BUILDERS.search(f"{text}/" if place == "working folder" else text)
            if matched and not contents.has(matched[0].lstrip("=: \t")):
                yield Found(what=f"its {place} names {matched[0].strip('=: ')[:60]}")


@rule(
    "label-floating",
    Severity.WARNING,
    why="The label names what moves: tomorrow it is true of another image.",
    fix="Write a version, a commit or a digest.",
)
def label_floating(contents: Contents) -> Iterator[Found]:
    """Find labels that hold tags."""
    for name, value in sorted(contents.image.labels.items()):
        tag = value.rpartition("/")[2].rpartition(":")[2].lower()
        if name in _VERSION_LABELS and tag in _FLOATING:
            yield Found(what=f"its label {name} is {value[:60]!r}")


@rule(
    "label-secret",
    Severity.ERROR,
    why="Labels are shown by every tool that lists images.",
    fix="Revoke the secret, and drop the label.",
)
def label_secret(contents: Contents) -> Iterator[Found]:
    """Find secrets in labels."""
    for name, value in sorted(contents.image.labels.items()):
        if _SECRET_VALUE.search(value):
            yield Found(what=f"its label {name[:60]} holds a secret")


@rule(
    "port-malformed",
    Severity.ERROR,
    why="Engines refuse the image, or publish another port.",
    fix="Write PORT/tcp, PORT/udp or PORT/sctp, with a port from 1 to 65535.",
)
def port_malformed(contents: Contents) -> Iterator[Found]:
    """Find ports that are none."""
    section = contents.image.config.get("config")
    given = section.get("ExposedPorts") if isinstance(section, Mapping) else None
    if given is not None and not isinstance(given, Mapping):
        yield Found(what="its exposed ports are no mapping")
    for port in contents.image.ports:
        matched = _PORT.fullmatch(port)
        if not matched or not 1 <= int(matched[1]) <= 65535:
            yield Found(what=f"it exposes {port[:40]!r}")


@rule(
    "history-secret",
    Severity.ERROR,
    why="`docker history` shows it to all who can pull the image.",
    fix="Revoke the secret, and give it to the build as a secret mount, not as an argument.",
)
def history_secret(contents: Contents) -> Iterator[Found]:
    """Find secrets in the commands that made the image."""
    listed = contents.image.config.get("history")
    for at, each in enumerate(listed if isinstance(listed, (list, tuple)) else (), 1):
        said = str(each.get("created_by") or "") + str(each.get("comment") or "") if isinstance(each, Mapping) else ""
        if _SECRET_VALUE.search(said) or _SECRET_ARGUMENT.search(said):
            yield Found(what=f"step {at} of its history holds a secret")


@rule(
    "created-in-future",
    Severity.WARNING,
    why="The clock of the builder was wrong: what goes by age, such as clean-up and policies, goes wrong.",
    fix="Set the time from the sources, such as SOURCE_DATE_EPOCH.",
)
def created_in_future(contents: Contents) -> Iterator[Found]:
    """Find images that are not made yet."""
    created = created_at(contents)
    if created is not None and created > contents.now + _SLACK:
        yield Found(what=f"it was created at {contents.image.config.get('created')}, which is not yet")


@rule(
    "program-missing",
    Severity.ERROR,
    why="The container does not start.",
    fix="Install the program, or correct the entry point.",
)
def program_missing(contents: Contents) -> Iterator[Found]:
    """Find an entry point or command that is not in the image."""
    argv = (*contents.image.entrypoint, *contents.image.command)
    if argv and argv[0].startswith("/") and not contents.has(argv[0]):
        yield Found(what=f"it starts {argv[0][:80]}, which is not there")


RULES = (
    root_user,
    no_user,
    environment_secret,
    environment_twice,
    build_path,
    label_floating,
    label_secret,
    port_malformed,
    history_secret,
    created_in_future,
    program_missing,
)
