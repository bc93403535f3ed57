"""Rules about secrets: who can pull an image can read all of its layers."""

import re
from collections.abc import Iterator

from pipeline.lint.contents import Contents, Node
from pipeline.lint.reading import KEY_MARK
from pipeline.lint.rule import Found, Rule, Severity, file_rule, rule

_WHY = "Whoever can pull the image can read the secret, and use it."
_FIX = "Revoke the secret, delete the file in the step that makes it, and give it to the build as a secret mount."

_KEY = re.compile(
    rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n(?:[A-Za-z-]+: [^\n]+\n|\r?\n)*[A-Za-z0-9+/=]{40}", re.MULTILINE
)
_KEY_REACH = 64 * 1024
_HOST_KEY = re.compile(r"^etc/ssh/ssh_host_\w+_key$")
_EXAMPLES = re.compile(r"^usr/share/doc/|(^|/)(tests?|testdata|test_data|examples?)/")


def _file(code: str, path: str, what: str, content: str = "") -> Rule:
    return file_rule(code, Severity.ERROR, path, what, why=_WHY, fix=_FIX, content=content)


FILES = (
    _file("netrc", r"(^|/)[._]netrc$", "holds a password", r"\bpassword\s+\S"),
    _file(
        "pip-credentials",
        r"(^|/)(pip\.conf|\.pypirc|uv\.toml|pip/pip\.conf)$",
        "holds the password of a package index",
        r"://[^/\s:@]+:[^/\s@$]+@|^\s*password\s*[=:]\s*\S",
    ),
    _file(
        "npm-token",
        r"(^|/)\.(npmrc|yarnrc(\.yml)?)$",
        "holds the token of a registry",
        r"^[^#;\n]*(_authToken|_password|_auth|npmAuthToken)\s*[=:]\s*[\"']?(?!\$\{)\S",
    ),
    _file(
        "docker-credentials",
        r"(^|/)(\.docker/config\.json|\.dockercfg|containers/auth\.json)$",
        "holds the login of a registry",
        r'"(auth|identitytoken|password)"\s*:\s*"[^"]+"',
    ),
    _file(
        "git-credentials",
        r"(^|/)(\.git/config|\.git-credentials|\.gitconfig)$",
        "holds the login of a repository",
        r"://[^/\s:@]+:[^/\s@]+@|^\s*extraheader\s*=\s*authorization",
    ),
    _file(
        "cloud-key",
        r"(^|/)(\.aws/credentials|\.boto|application_default_credentials\.json|\.azure/accessTokens\.json|\.s3cfg)$"
        r"|(^|/)[^/]*(service[-_]?account|credentials)[^/]*\.json$",
        "holds the key of a cloud account",
        r'aws_secret_access_key\s*=\s*\S|"refresh_token"\s*:|"private_key_id"\s*:|secret_key\s*=\s*\S|"accessToken"\s*:',
    ),
    _file(
        "kube-config",
        r"(^|/)\.kube/config$",
        "holds the login of a cluster",
        r"^\s*(-\s*)?(token|client-key-data|password):\s*\S",
    ),
    _file(
        "password-file",
        r"(^|/)\.env(\.[\w-]+)?$|(^|/)(secrets?|credentials)\.(ya?ml|ini|toml|env|properties)$|(^|/)\.(pgpass|my\.cnf)$",
        "sets a password",
        r"^\s*(export\s+)?[\w.-]*(password|passwd|secret|api_?key|token)\s*[=:]\s*[\"']?(?![$<{\"'\s])\S{4}"
        r"|^[^#:\n]+:\d+:[^:\n]+:[^:\n]+:\S",
    ),
    _file(
        "gpg-secret-key",
        r"(^|/)(private-keys-v1\.d/[^/]+\.key|secring\.gpg)$",
        "is a secret key of GnuPG",
    ),
)
"""Rules of one kind: a name, and what stands in the file."""


def _is_key(node: Node) -> bool:
    return (
        KEY_MARK in node.content
        and _KEY.search(node.content[:_KEY_REACH]) is not None
        and not _EXAMPLES.search(node.path)
    )


@rule("private-key", Severity.ERROR, why=_WHY, fix="Make a new key, and mount it where the container runs.")
def private_key(contents: Contents) -> Iterator[Found]:
    """Find private keys, whatever their names are."""
    for path, node in sorted(contents.tree.items()):
        if _is_key(node) and not _HOST_KEY.search(path):
            yield Found.at(node, "is a private key")


ssh_host_key = file_rule(
    "ssh-host-key",
    Severity.ERROR,
    _HOST_KEY.pattern,
    "is the key that a host proves itself with",
    why="All containers have one identity, and whoever has the image can take it.",
    fix="Delete /etc/ssh/ssh_host_*_key*; make them when a container first starts.",
)

ssh_trust = file_rule(
    "ssh-trust",
    Severity.WARNING,
    r"(^|/)\.ssh/(authorized_keys2?|known_hosts|config)$",
    "tells who may log in, or where the builder logged in",
    why="A key that was let in for the build opens every container.",
    fix="Delete the folder .ssh in the step that makes it.",
)


@rule(
    "hidden-secret",
    Severity.ERROR,
    why="A later layer hides the file and does not remove it: its bytes are in the image that everybody pulls.",
    fix="Revoke the secret; make and delete it in one step, or use a secret mount.",
    reads="|".join(each.reads for each in FILES if each.reads),
)
def hidden_secret(contents: Contents) -> Iterator[Found]:
    """Find secrets in lower layers."""
    for each in contents.hidden:
        if is_secret(each.node):
            yield Found.at(each.node, f"holds a secret, and layer {each.by} only hides it")


def is_secret(node: Node) -> bool:
    """Tell whether a path is what one of the rules about secrets looks for."""
    if _is_key(node) or _HOST_KEY.search(node.path):
        return True
    return any(_SECRET[code](node) for code in _SECRET)


class _Alone:
    """Asks a rule about one path, as if the image had no other."""

    def __init__(self, asked: Rule) -> None:
        self._asked = asked

    def __call__(self, node: Node) -> bool:
        return any(True for _ in self._asked.find(_One(node)))


class _One(Contents):
    """The tree of one path."""

    def __init__(self, node: Node) -> None:
        self.tree = {node.path: node}
        self.hidden = []
        self.lost = []


_SECRET = {each.code: _Alone(each) for each in FILES}

RULES = (*FILES, private_key, ssh_host_key, ssh_trust, hidden_secret)
