"""Rules about what a build leaves behind: nobody needs it, it makes digests differ, and some of it tells too much."""

import re
from collections.abc import Iterator

from pipeline.lint.contents import Contents
from pipeline.lint.rule import Found, Rule, Severity, file_rule, files, rule

_SIZE = "It is of no use in a container, and everybody pulls it."
_VARIES = "It differs from build to build, so that equal builds have different digests."


def _waste(code: str, path: str, what: str, fix: str) -> Rule:
    return file_rule(code, Severity.WARNING, path, what, why=_SIZE, fix=fix)


def _varying(code: str, path: str, what: str, fix: str, severity: Severity = Severity.WARNING) -> Rule:
    return file_rule(code, severity, path, what, why=_VARIES, fix=fix)


shell_history = file_rule(
    "shell-history",
    Severity.ERROR,
    r"(^|/)\.(bash|zsh|ash|sh|python|node_repl|mysql|psql|sqlite|redis_?cli|irb|rediscli)_?history$|(^|/)\.(lesshst|viminfo)$",
    "tells what somebody typed",
    why="Commands that were typed hold passwords, hosts and names.",
    fix="Delete it, and build by a script.",
)

FILES = (
    shell_history,
    _varying("log", r"^var/log/.", "is a log of the build", "Empty /var/log as the last step of the build."),
    _waste(
        "apt-lists",
        r"^var/lib/apt/lists/.*(Packages|InRelease|Release|Sources|Translation-\w+)(\.\w+)?$",
        "is an index of packages",
        "Delete /var/lib/apt/lists/* in the step that runs `apt-get update`.",
    ),
    _waste(
        "apt-archives",
        r"^var/cache/apt/archives/.*\.deb$",
        "is an installed package's archive",
        "Run `apt-get clean` in the step that installs.",
    ),
    _varying(
        "apt-cache",
        r"^var/cache/apt/(src)?pkgcache\.bin$",
        "is a cache of apt",
        "Delete /var/cache/apt/*.bin in the step that installs.",
    ),
    _waste(
        "pip-cache",
        r"(^|/)\.cache/(pip|uv)/",
        "is a cache of an installer",
        "Install with `pip --no-cache-dir`, or mount the cache in the build.",
    ),
    _waste(
        "npm-cache",
        r"(^|/)(\.npm/_cacache|\.cache/(yarn|node-gyp)|\.yarn/cache)/",
        "is a cache of an installer",
        "Run `npm cache clean --force` in the step that installs, or mount the cache in the build.",
    ),
    _waste(
        "compiler-cache",
        r"(^|/)(\.cargo/registry/cache|\.m2/repository|\.gradle/caches|\.cache/go-build)/",
        "is a cache of a compiler",
        "Compile in a stage of its own, and copy what it made.",
    ),
    _varying(
        "ldconfig-cache",
        r"^var/cache/ldconfig/aux-cache$",
        "holds inode numbers of the build machine",
        "Delete /var/cache/ldconfig/aux-cache after the last ldconfig.",
    ),
    _varying(
        "account-backup",
        r"^etc/(passwd|group|shadow|gshadow|subuid|subgid)-$",
        "is the state before the last change",
        "Delete /etc/*- as the last step of the build.",
        Severity.NOTE,
    ),
    _varying(
        "database-backup",
        r"^var/lib/dpkg/(status|diversions|statoverride|available)-old$|^var/cache/debconf/.*-old$",
        "is the state before the last change",
        "Delete it as the last step of the build.",
        Severity.NOTE,
    ),
    _waste("temporary-file", r"^(var/)?tmp/.", "was left where nothing lasts", "Delete it in the step that makes it."),
    _varying(
        "run-file",
        r"^(var/)?run/.",
        "belongs to a process that has ended",
        "Delete what lies below /run; a process finds another's lock or id there.",
    ),
    _waste(
        "editor-backup",
        r"(^|/)([^/]+~|\.[^/]+\.sw[op]|#[^/]+#|[^/]+\.(bak|orig|rej))$",
        "was left by an editor or a patch",
        "Delete it, and list such names in the ignore file of the build.",
    ),
    _waste(
        "desktop-file",
        r"(^|/)(\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]+|\.directory)$",
        "was left by a desktop",
        "Delete it, and list such names in the ignore file of the build.",
    ),
    _waste(
        "tool-cache",
        r"(^|/)(\.pytest_cache|\.mypy_cache|\.ruff_cache|\.tox|\.nox|\.hypothesis)/|(^|/)\.coverage$",
        "was left by a developer's tool",
        "List it in the ignore file of the build.",
    ),
)
"""Rules by name alone."""

_CORE_NAME = r"(^|/)(core(\.\d+)?|[^/]+\.core|vgcore\.\d+)$"


@rule(
    "core-dump",
    Severity.ERROR,
    why="A core dump is the whole memory of a process: keys, passwords, what users sent.",
    fix="Delete it, and find out what crashed.",
    reads=_CORE_NAME,
)
def core_dump(contents: Contents) -> Iterator[Found]:
    """Find memory of processes: an ELF file of type ET_CORE, 4."""
    for node in files(contents, re.compile(_CORE_NAME)):
        head = node.content[:18]
        if head[:4] == b"\x7fELF" and 4 in (head[16], head[17]) and 0 in (head[16], head[17]):
            yield Found.at(node, "is the memory of a process that crashed")


@rule(
    "version-control",
    Severity.WARNING,
    why="The whole history of the sources ships, with all that was ever removed from it.",
    fix="List .git and its like in the ignore file of the build.",
)
def version_control(contents: Contents) -> Iterator[Found]:
    """Find repositories, each once."""
    yield from _folders(contents, re.compile(r"(?:^|.*/)\.(?:git|hg|svn|bzr)(?=/)"), "is a repository")


@rule(
    "ci-file",
    Severity.NOTE,
    why="What describes the build belongs to the sources; it names machines, registries and secrets.",
    fix="List it in the ignore file of the build.",
)
def ci_file(contents: Contents) -> Iterator[Found]:
    """Find what continuous integration reads, outside of installed packages."""
    name = re.compile(
        r"(^|/)(\.github/workflows/[^/]+|\.circleci/config\.yml|\.gitlab-ci\.yml|\.travis\.yml|Jenkinsfile|Dockerfile"
        r"|azure-pipelines\.yml|\.drone\.yml|docker-compose\.ya?ml|\.pre-commit-config\.yaml)$"
    )
    for node in files(contents, name):
        if not _INSTALLED.search(node.path):
            yield Found.at(node, "describes a build")


@rule(
    "test-file",
    Severity.NOTE,
    why="Tests are not what production runs, and their data is what nobody looks after.",
    fix="Leave tests out of the image; what is tried with it can be mounted.",
)
def test_file(contents: Contents) -> Iterator[Found]:
    """Find tests of an app, each folder once, outside of installed packages."""
    name = re.compile(r"(?:app|srv|opt|home|workspace|code|src)/(?:[^/]+/)*?(?:tests?|spec|__tests__)(?=/)")
    for each in _folders(contents, name, "holds tests"):
        if not _INSTALLED.search(each.path):
            yield each


_INSTALLED = re.compile(r"(^|/)(node_modules|site-packages|dist-packages|vendor|gems)/|^usr/(share|lib|include)/")


def _folders(contents: Contents, name: re.Pattern[str], what: str) -> Iterator[Found]:
    """Yield each folder that matches and has a file in it, once."""
    seen: set[str] = set()
    for path, node in sorted(contents.tree.items()):
        matched = name.match(path)
        if matched and node.is_file and matched[0] not in seen:
            seen.add(matched[0])
            yield Found(what=what, path=matched[0], layer=node.layer)


RULES = (*FILES, core_dump, version_control, ci_file, test_file)
