"""A kubeconfig whose fields hold what they should not: each is an error that names the file and the field."""

import base64
import datetime as dt
import json
import re
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.declare.errors import TargetError
from pipeline.release.targets.kubeconfig import read_kubeconfig

KEY = ec.derive_private_key(7, ec.SECP256R1())


def certificate():
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cluster")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=KEY.public_key(), serial_number=1)
    made = made.not_valid_before(day).not_valid_after(day.replace(year=2046))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private_key(protection):
    return KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


TOKEN, FRESH = "t0ken", "fr3sh"
PEM, PLAIN = certificate(), private_key(serialization.NoEncryption())
PROTECTED = private_key(serialization.BestAvailableEncryption(b"passphrase"))


def encoded(raw):
    return base64.b64encode(raw).decode()


AUTHORITY = {"certificate-authority-data": encoded(PEM)}
CERTIFIED = {"client-certificate-data": encoded(PEM), "client-key-data": encoded(PLAIN)}


def written(tmp_path, cluster=None, user=None, context=None, **others):
    """Write a kubeconfig that is in order, but for what is given, and return its path."""
    found = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "me"} | (context or {})}],
        "clusters": [{"name": "one", "cluster": {"server": "https://cluster:6443/", **AUTHORITY} | (cluster or {})}],
        "users": [{"name": "me", "user": {"token": TOKEN} if user is None else user}],
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(found | others))
    return path


def test_cluster_has_the_fields_of_its_context(tmp_path):
    found = read_kubeconfig(written(tmp_path, context={"namespace": "apps"}))
    assert (found.server, found.namespace, found.token) == ("https://cluster:6443", "apps", TOKEN)
    assert found.context.verify_mode is ssl.CERT_REQUIRED
    assert len(found.context.get_ca_certs()) == 1


def test_files_beside_it_are_read_in_the_place_of_what_it_holds(tmp_path):
    (tmp_path / "token").write_text(f"{FRESH}\n")
    for name, raw in (("ca.pem", PEM), ("me.pem", PEM), ("me.key", PLAIN)):
        (tmp_path / name).write_bytes(raw)
    user = {"token": "old", "tokenFile": "token", "client-certificate": "me.pem", "client-key": "me.key"}
    cluster = {"certificate-authority-data": None, "certificate-authority": "ca.pem"}
    found = read_kubeconfig(written(tmp_path, cluster, user))
    assert found.token == FRESH
    assert len(found.context.get_ca_certs()) == 1


def test_certificate_of_the_client_is_enough(tmp_path):
    assert read_kubeconfig(written(tmp_path, user=CERTIFIED)).token == ""


def test_fields_that_change_nothing_are_passed_over(tmp_path):
    cluster = {"insecure-skip-tls-verify": False, "disable-compression": True, "proxy-url": ""}
    assert read_kubeconfig(written(tmp_path, cluster, {"token": TOKEN, "exec": None})).token == TOKEN


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"contexts": 5}, "contexts of the file is int, not a list"),
        ({"contexts": {"here": {}}}, "contexts of the file is dict, not a list"),
        ({"contexts": [5, {"name": "here", "context": 5}]}, "has no context 'here'"),
        ({"current-context": ["here"]}, "current-context of the file is list, not text"),
        ({"clusters": True}, "clusters of the file is bool, not a list"),
        ({"users": None}, "has no user 'me'"),
        ({"context": {"user": 5}}, "user of the context 'here' is int, not text"),
        ({"context": {"namespace": {"a": 1}}}, "namespace of the context 'here' is dict, not text"),
        ({"context": {"namespace": "../kube-system"}}, "namespace of the context 'here' is '../kube-system', no name"),
        ({"cluster": {"server": 5}}, "server of the cluster 'one' is int, not text"),
        ({"cluster": {"server": "http://cluster"}}, "server of the cluster 'one' is 'http://cluster', which is not"),
        ({"cluster": {"server": "https://[::1"}}, "server of the cluster 'one' is 'https://[::1', which is not"),
        ({"cluster": {"server": "https://"}}, "server of the cluster 'one' is 'https://', which is not"),
        ({"cluster": {"server": "https://a b"}}, "server of the cluster 'one' is 'https://a b', which is not"),
        ({"cluster": {"server": "https://a:0x"}}, "server of the cluster 'one' is 'https://a:0x', which is not"),
        ({"cluster": {"server": "https://me@a"}}, "server of the cluster 'one' is 'https://me@a', which is not"),
        ({"cluster": {"server": "https://a/?b"}}, "server of the cluster 'one' is 'https://a/?b', which is not"),
        ({"cluster": {"insecure-skip-tls-verify": True}}, "insecure-skip-tls-verify of the cluster 'one' would"),
        ({"cluster": {"tls-server-name": "other"}}, "tls-server-name of the cluster 'one' is not offered"),
        ({"cluster": {"proxy-url": "http://proxy"}}, "proxy-url of the cluster 'one' is not offered"),
        ({"cluster": {"certificate-authority-data": 5}}, "certificate-authority-data of the cluster 'one' is int"),
        ({"cluster": {"certificate-authority-data": "?"}}, "certificate-authority-data of the cluster 'one' is no"),
        ({"cluster": {"certificate-authority-data": "eA=="}}, "certificate-authority of the cluster 'one' cannot"),
        (
            {"cluster": {"certificate-authority-data": "", "certificate-authority": "gone.pem"}},
            "certificate-authority of the cluster 'one' names a file that cannot be read",
        ),
        (
            {"cluster": {"certificate-authority-data": "", "certificate-authority": "a\0b"}},
            "certificate-authority of the cluster 'one' names a file that cannot be read",
        ),
        (
            {"cluster": {"certificate-authority-data": "", "certificate-authority": "empty.pem"}},
            "certificate-authority of the cluster 'one' cannot be used",
        ),
        ({"user": {"token": 5}}, "token of the user 'me' is int, not text"),
        ({"user": {"token": "a\r\nHost: b"}}, "token of the user 'me' holds more than one word"),
        ({"user": {"tokenFile": "gone"}}, "tokenFile of the user 'me' names a file that cannot be read"),
        ({"user": {"tokenFile": "a\0b"}}, "tokenFile of the user 'me' names a file that cannot be read"),
        ({"user": {"tokenFile": "binary"}}, "tokenFile of the user 'me' holds more than one word"),
        ({"user": {"exec": {"command": "aws"}}}, "exec of the user 'me' logs in by a program"),
        ({"user": {"username": "admin", "password": "x"}}, "username of the user 'me' logs in by a password"),
        ({"user": {"token": "t", "as": "nobody"}}, "as of the user 'me' is not offered"),
        ({"user": {"client-key-data": encoded(PLAIN)}}, "client-certificate of the user 'me' is missing"),
        ({"user": {"client-certificate-data": encoded(PEM)}}, "client-key of the user 'me' is missing"),
        ({"user": CERTIFIED | {"client-key-data": encoded(b"x")}}, "client-certificate of the user 'me' cannot"),
        ({"user": CERTIFIED | {"client-key-data": encoded(PROTECTED)}}, "client-certificate of the user 'me' cannot"),
    ],
)
def test_field_that_cannot_be_used_is_named_with_its_file(tmp_path, change, said):
    (tmp_path / "empty.pem").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    path = written(tmp_path, **change)
    with pytest.raises(TargetError, match=re.escape(said)) as caught:
        read_kubeconfig(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert TOKEN not in str(caught.value)


def test_certificate_that_nobody_looks_at_is_refused_with_what_helps(tmp_path):
    with pytest.raises(TargetError) as caught:
        read_kubeconfig(written(tmp_path, {"insecure-skip-tls-verify": True}))
    assert "certificate-authority: FILE" in caught.value.hint


@pytest.mark.parametrize("text", ["[", "[" * 5000, "2026-99-99", "5", "\0"])
def test_file_that_is_no_kubeconfig_is_named(tmp_path, text):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(TargetError, match=re.escape(str(path))):
        read_kubeconfig(path)
