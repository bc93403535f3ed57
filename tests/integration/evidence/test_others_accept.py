"""Evidence that is signed here is accepted by programs that others wrote, and refused by them where it was changed.

The judges are `securesystemslib` (the envelope), `openssl` (the signature alone), `in-toto-attestation` (the statement;
unknown fields are errors to it), `@sigstore/verify` (the whole bundle) and, where somebody has it, `cosign`.
"""

import base64
import copy
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from pipeline.release.attest import Statement, Subject
from pipeline.release.bundle import parse_bundle, to_bundle
from pipeline.release.private_key import PrivateKey
from pipeline.release.public_key import Kind, PublicKey
from pipeline.release.signing import sign, verify
from runtime.digest import Digest

GOLDEN = Path(__file__).parents[2] / "golden" / "evidence"
SCRIPT = Path(__file__).with_name("sigstore_verify.js")
NOBODY = b'{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
"""A trusted root of Sigstore with nobody in it: a key alone is trusted, and nothing is downloaded."""

IMAGE = Digest.of(b"the image")
CASES = [f"{origin} {kind}" for origin in ("kept", "new") for kind in Kind]


@pytest.fixture(params=CASES)
def signed(request):
    """A bundle and the public key: kept in the repository, or signed now with a new key."""
    origin, kind = request.param.split()
    if origin == "kept":
        return (GOLDEN / f"{kind}.sigstore.json").read_bytes(), (GOLDEN / f"{kind}.pub").read_bytes()
    key = PrivateKey.new(Kind(kind))
    statement = Statement(
        subjects=(Subject(name="web", digest=IMAGE),),
        predicate_type="https://in-toto.io/attestation/test-result/v0.1",
        predicate={
            "result": "PASSED",
            "configuration": [{"name": "reference", "digest": {"sha256": IMAGE.hex}}],
            "passedTests": ["tests/test_é.py::test_[\\u0000 ]"],
        },
    )
    return to_bundle(sign(statement, key)), key.public.pem


@pytest.mark.bar("6 evidence accepted by others")
def test_own_reader_accepts_it(signed):
    bundle, pem = signed
    verify(parse_bundle(bundle), [PublicKey.parse(pem, "key")]).statement.require(
        "https://in-toto.io/attestation/test-result/v0.1", IMAGE
    )


@pytest.mark.bar("6 evidence accepted by others")
def test_securesystemslib_accepts_it(signed):
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - a judge
    from securesystemslib.exceptions import VerificationError  # noqa: PLC0415 - likewise
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415 - likewise

    bundle, pem = signed
    document = json.loads(bundle)
    hint = document["verificationMaterial"]["publicKey"]["hint"]
    key = SSlibKey.from_crypto(load_pem_public_key(pem), hint)
    Envelope.from_dict(copy.deepcopy(document["dsseEnvelope"])).verify([key], 1)
    with pytest.raises(VerificationError):
        Envelope.from_dict(_changed(document)["dsseEnvelope"]).verify([key], 1)


@pytest.mark.bar("6 evidence accepted by others")
def test_in_toto_attestation_accepts_its_statement(signed):
    from google.protobuf import json_format  # noqa: PLC0415 - a judge
    from in_toto_attestation.predicates.test_result.v0 import test_result_pb2  # noqa: PLC0415 - likewise
    from in_toto_attestation.v1.statement import Statement as Judge  # noqa: PLC0415 - likewise
    from in_toto_attestation.v1.statement_pb2 import Statement as Message  # noqa: PLC0415 - likewise

    payload = base64.b64decode(json.loads(signed[0])["dsseEnvelope"]["payload"])
    found = json_format.Parse(payload, Message())
    Judge.copy_from_pb(found).validate()
    json_format.ParseDict(json_format.MessageToDict(found.predicate), test_result_pb2.TestResult())
    with pytest.raises(json_format.ParseError):
        json_format.Parse(payload.replace(b'"_type"', b'"verdict":"PASSED","_type"'), Message())


@pytest.mark.bar("6 evidence accepted by others")
def test_openssl_accepts_its_signature(signed, tmp_path):
    bundle, pem = signed
    document = json.loads(bundle)
    assert _openssl(document, pem, tmp_path) == 0
    assert _openssl(_changed(document), pem, tmp_path) != 0


@pytest.mark.network
@pytest.mark.bar("6 evidence accepted by others")
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed: nothing to compare with")
def test_sigstore_verify_accepts_it(signed, sigstore, tmp_path):
    bundle, pem = signed
    document = json.loads(bundle)
    assert _sigstore(sigstore, bundle, pem, tmp_path).returncode == 0
    refused = _sigstore(sigstore, json.dumps(_changed(document)).encode(), pem, tmp_path)
    assert "signature verification failed" in refused.stderr
    two = copy.deepcopy(document)
    two["dsseEnvelope"]["signatures"] *= 2
    assert "invalid" in _sigstore(sigstore, json.dumps(two).encode(), pem, tmp_path).stderr


@pytest.mark.bar("6 evidence accepted by others")
@pytest.mark.skipif(shutil.which("cosign") is None, reason="cosign is not installed: nothing to compare with")
def test_cosign_accepts_it(signed, tmp_path):
    bundle, pem = signed
    assert _cosign(bundle, pem, tmp_path) == 0
    assert _cosign(json.dumps(_changed(json.loads(bundle))).encode(), pem, tmp_path) != 0
    assert _cosign(bundle, PrivateKey.new().public.pem, tmp_path) != 0


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory):
    """The folder of modules that has ``@sigstore/verify``."""
    folder = tmp_path_factory.mktemp("sigstore")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "@sigstore/verify@3.1.1"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    return folder / "node_modules"


def _changed(document):
    """Return a copy whose statement says FAILED; its signature is another statement's."""
    other = copy.deepcopy(document)
    payload = base64.b64decode(document["dsseEnvelope"]["payload"]).replace(b"PASSED", b"FAILED")
    other["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    return other


def _openssl(document, pem, folder):
    envelope = document["dsseEnvelope"]
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    files = {"key": pem, "message": message, "signature": base64.b64decode(envelope["signatures"][0]["sig"])}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    key, signature = ["-inkey", "key"], ["-sigfile", "signature"]
    hashed = ["-digest", "sha256"] if "P-256" in _text_of(pem) else []
    command = ["openssl", "pkeyutl", "-verify", "-pubin", *key, "-rawin", *hashed, *signature, "-in", "message"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def _cosign(bundle, pem, folder):
    """Verify with the real program, which asks nobody: the blob is what the statement's subject is the digest of."""
    files = {"bundle.json": bundle, "key.pub": pem, "blob": b"the image", "root.json": NOBODY}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    kind = ["--type", "https://in-toto.io/attestation/test-result/v0.1"]
    key = ["--key", "key.pub", "--insecure-ignore-tlog", "--trusted-root", "root.json", "--bundle", "bundle.json"]
    command = ["cosign", "verify-blob-attestation", *kind, *key, "blob"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def _text_of(pem):
    return subprocess.run(
        ["openssl", "pkey", "-pubin", "-noout", "-text"], input=pem, capture_output=True, check=True
    ).stdout.decode()


def _sigstore(modules, bundle, pem, folder):
    (folder / "bundle.json").write_bytes(bundle)
    (folder / "key.pub").write_bytes(pem)
    command = ["node", SCRIPT, modules, folder / "bundle.json", folder / "key.pub"]
    return subprocess.run(command, capture_output=True, text=True, check=False)
