"""``read_kubeconfig``: the cluster that a user works with, and how the user is known there.

Source: Kubernetes, kubeconfig (v1).
"""

import base64
import os
import re
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from pipeline.declare.errors import TargetError

_HINT = "see `kubectl config view`; KUBECONFIG names another file"
_BY_ACCOUNT = "make a service account, and write `token:` or `tokenFile:` from `kubectl create token NAME`"
_BY_AUTHORITY = (
    "take it out, and write `certificate-authority: FILE` with the certificate of the cluster's own authority"
)
_NO_MORE = "is not offered here"
_REFUSED = {
    "insecure-skip-tls-verify": ("would believe whoever answers in the place of the cluster", _BY_AUTHORITY),
    "tls-server-name": (_NO_MORE, _HINT),
    "proxy-url": (_NO_MORE, _HINT),
    "exec": ("logs in by a program, and only a token or a client certificate is offered here", _BY_ACCOUNT),
    "auth-provider": ("logs in by a program, and only a token or a client certificate is offered here", _BY_ACCOUNT),
    "username": ("logs in by a password, and only a token or a client certificate is offered here", _BY_ACCOUNT),
    "as": (_NO_MORE, _BY_ACCOUNT),
    "as-uid": (_NO_MORE, _BY_ACCOUNT),
    "as-groups": (_NO_MORE, _BY_ACCOUNT),
    "as-user-extra": (_NO_MORE, _BY_ACCOUNT),
}
"""Fields of a cluster or a user that would be passed over → what is wrong with that, and what helps."""

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)  # RFC 1123, a label
_WORD = re.compile(r"[!-~]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster, and who asks it.

    Args:
        server: the URL of its API.
        namespace: in which everything is made.
        context: how certificates are verified, with the client's own where it has one.
        token: the bearer token; empty for none.
    """

    server: str
    namespace: str
    context: ssl.SSLContext
    token: str = field(default="", repr=False)


def kubeconfig_path(environment: Mapping[str, str]) -> Path:
    """Return the file that ``kubectl`` reads: the first that KUBECONFIG names, or the one in the home folder."""
    named = [each for each in environment.get("KUBECONFIG", "").split(os.pathsep) if each]
    return Path(named[0]) if named else Path(environment.get("HOME", "/nonexistent")) / ".kube" / "config"


def read_kubeconfig(path: Path) -> Cluster:
    """Return the cluster of the file's current context.

    Raises:
        TargetError: there is no such file, it is malformed, or it asks for a way to reach the cluster, or to log in,
            that is not offered.
    """
    whole = _Section(path=path, name="the file", fields=_document(path))
    context = whole.named("contexts", "context", whole.text("current-context"))
    cluster = whole.named("clusters", "cluster", context.text("cluster"))
    user = whole.named("users", "user", context.text("user"))
    for section in (cluster, user):
        section.refuse()
    return Cluster(
        server=_server(cluster), namespace=_namespace(context), context=_tls(cluster, user), token=_token(user)
    )


def _document(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        raise TargetError(f"there is no kubeconfig {path}", hint=_HINT) from error
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise TargetError(f"{path} cannot be read: {error}", hint=_HINT) from error
    if not isinstance(found, dict):
        raise TargetError(f"{path} is no kubeconfig", hint=_HINT)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A part of the file, whose fields may hold anything. What a field holds may be secret, so no message has it.

    Args:
        path: the file.
        name: how messages call the part.
        fields: as the file has them.
    """

    path: Path
    name: str
    fields: Mapping[str, Any]

    def wrong(self, key: str, problem: str, hint: str = _HINT) -> TargetError:
        """Return the error that a field is wrong."""
        return TargetError(f"{self.path}: {key} of {self.name} {problem}", hint=hint)

    def text(self, key: str) -> str:
        """Return a field's text; empty where it is not there."""
        found = self.fields.get(key)
        if not isinstance(found, str | None):
            raise self.wrong(key, f"is {type(found).__name__}, not text")
        return found or ""

    def named(self, many: str, one: str, name: str) -> "_Section":
        """Return the part that a list of the file has under a name."""
        listed = self.fields.get(many) or ()
        if not isinstance(listed, list | tuple):
            raise self.wrong(many, f"is {type(listed).__name__}, not a list")
        for each in listed:
            if isinstance(each, dict) and each.get("name") == name and isinstance(each.get(one), dict):
                return _Section(path=self.path, name=f"the {one} {name!a}", fields=each[one])
        raise TargetError(f"{self.path} has no {one} {name!a}", hint=_HINT)

    def refuse(self) -> None:
        """Do nothing if no field asks for what would be passed over."""
        for key, (problem, hint) in _REFUSED.items():
            if self.fields.get(key):
                raise self.wrong(key, problem, hint)

    def content(self, key: str) -> bytes | None:
        """Return what ``key-data`` holds in base64, or the file that ``key`` names; None if there is neither."""
        if data := self.text(f"{key}-data"):
            try:
                return base64.b64decode(data, validate=True)
            except ValueError as error:
                raise self.wrong(f"{key}-data", f"is no base64: {error}") from error
        return self.file(key)

    def file(self, key: str) -> bytes | None:
        """Return the file that a field names, relative to the kubeconfig; None where the field is not there."""
        name = self.text(key)
        try:
            return (self.path.parent / name).read_bytes() if name else None
        except (OSError, ValueError) as error:
            raise self.wrong(key, f"names a file that cannot be read: {error}") from error


def _server(cluster: _Section) -> str:
    server = cluster.text("server")
    if not _is_address(server):
        raise cluster.wrong("server", f"is {server[:200]!a}, which is not reached by https")
    return server.rstrip("/")


def _is_address(server: str) -> bool:
    try:
        parts = urlsplit(server)
        has_host = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    is_whole = has_host and not parts.query and not parts.fragment
    return parts.scheme == "https" and is_whole and _WORD.fullmatch(server) is not None


def _namespace(context: _Section) -> str:
    namespace = context.text("namespace") or "default"
    if not _NAMESPACE.fullmatch(namespace):
        raise context.wrong("namespace", f"is {namespace[:80]!a}, no name of a namespace")
    return namespace


def _token(user: _Section) -> str:
    key = "tokenFile" if user.text("tokenFile") else "token"
    held = user.file(key) if key == "tokenFile" else user.text(key).encode()
    token = (held or b"").decode("ascii", "replace").strip()
    if not _WORD.fullmatch(token):
        raise user.wrong(key, "holds more than one word of ASCII")
    return token


def _tls(cluster: _Section, user: _Section) -> ssl.SSLContext:
    authority = cluster.content("certificate-authority")
    try:
        # Of an empty text Python would make the authorities of the machine.
        context = ssl.create_default_context(cadata=None if authority is None else authority.decode("ascii") or "-")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise cluster.wrong("certificate-authority", f"cannot be used: {error}") from error
    certificate, key = user.content("client-certificate"), user.content("client-key")
    if (certificate is None) != (key is None):
        raise user.wrong(
            "client-key" if key is None else "client-certificate", "is missing, and the other of both is not"
        )
    if certificate is not None and key is not None:
        try:
            _load_chain(context, certificate + b"\n" + key)
        except (OSError, ValueError) as error:
            raise user.wrong("client-certificate", f"cannot be used: {error}") from error
    return context


def _load_chain(context: ssl.SSLContext, pem: bytes) -> None:
    """Hand a key over by a file that only this user can read, since OpenSSL's binding takes nothing else."""
    with tempfile.NamedTemporaryFile(prefix="seatrial-") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name, password="")  # otherwise OpenSSL asks for one at the terminal
