"""``read_kubeconfig``: the cluster that a user works with, and how the user is known there.

Source: Kubernetes, kubeconfig (v1).
"""

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.declare.errors import TargetError

_HINT = "see `kubectl config view`; KUBECONFIG names another file"


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
        TargetError: there is no such file, it is malformed, or it asks for a way to log in that is not offered.
    """
    try:
        found = yaml.safe_load(path.read_bytes())
    except FileNotFoundError as error:
        raise TargetError(f"there is no kubeconfig {path}", hint=_HINT) from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise TargetError(f"{path} cannot be read: {error}", hint=_HINT) from error
    if not isinstance(found, dict):
        raise TargetError(f"{path} is no kubeconfig", hint=_HINT)
    context = _named(found, "contexts", "context", found.get("current-context"), path)
    cluster = _named(found, "clusters", "cluster", context.get("cluster"), path)
    user = _named(found, "users", "user", context.get("user"), path)
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith("https://"):
        raise TargetError(f"{path}: the server {server!a} is not reached by https", hint=_HINT)
    return Cluster(
        server=server.rstrip("/"),
        namespace=str(context.get("namespace") or "default"),
        context=_tls(cluster, user, path),
        token=_token(user, path),
    )


def _named(found: Mapping[str, Any], many: str, one: str, name: object, path: Path) -> Mapping[str, Any]:
    for each in found.get(many) or ():
        if isinstance(each, dict) and each.get("name") == name and isinstance(each.get(one), dict):
            value: Mapping[str, Any] = each[one]
            return value
    raise TargetError(f"{path} has no {one} {name!a}", hint=_HINT)


def _token(user: Mapping[str, Any], path: Path) -> str:
    if "exec" in user or "auth-provider" in user:
        raise TargetError(
            f"{path}: the user logs in by a program, and only a token or a client certificate is offered here",
            hint="make a service account, and write `token:` or `tokenFile:` from `kubectl create token NAME`",
        )
    if user.get("tokenFile"):
        try:
            return (path.parent / str(user["tokenFile"])).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TargetError(f"{path}: the token cannot be read: {error}", hint=_HINT) from error
    return str(user.get("token") or "")


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], path: Path) -> ssl.SSLContext:
    try:
        authority = _content(cluster, "certificate-authority", path)
        context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
        if cluster.get("tls-server-name"):
            raise TargetError(f"{path}: tls-server-name is not offered", hint=_HINT)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = _content(user, "client-certificate", path), _content(user, "client-key", path)
        if certificate and key:
            _load_chain(context, certificate + b"\n" + key)
    except (OSError, ValueError, binascii.Error) as error:  # ssl.SSLError is an OSError
        raise TargetError(f"{path}: a certificate cannot be used: {error}", hint=_HINT) from error
    return context


def _content(section: Mapping[str, Any], key: str, path: Path) -> bytes:
    """Return what ``key-data`` holds in base64, or the file that ``key`` names; empty if there is neither."""
    if section.get(f"{key}-data"):
        return base64.b64decode(str(section[f"{key}-data"]), validate=True)
    return (path.parent / str(section[key])).read_bytes() if section.get(key) else b""


def _load_chain(context: ssl.SSLContext, pem: bytes) -> None:
    """Hand a key over by a file that only this user can read, since OpenSSL's binding takes nothing else."""
    with tempfile.NamedTemporaryFile(prefix="seatrial-") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
