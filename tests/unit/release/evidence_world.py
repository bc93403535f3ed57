"""Keys and statements for tests, and bundles that are made by hand: no code that is tried writes them."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipeline.release.public_key import PublicKey
from runtime.digest import Digest

IMAGE = Digest.of(b"the image")
OTHER = Digest.of(b"another image")
KIND = "https://seatrial.dev/try/v1"

ALICE = ec.derive_private_key(0xA11CE, ec.SECP256R1())
BOB = ed25519.Ed25519PrivateKey.from_private_bytes(b"bob" * 10 + b"bb")
MALLORY = ec.derive_private_key(0x3A110, ec.SECP256R1())


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public(key):
    return PublicKey.parse(pem(key), "a test's key")


def key_id(key):
    blob = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
    return "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode().rstrip("=")


def statement(**changes):
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "web", "digest": {"sha256": IMAGE.hex}}],
        "predicateType": KIND,
        "predicate": {"verdict": "PASSED", "hosts": ["reference"]},
    } | changes


def signature_of(key, payload, kind="application/vnd.in-toto+json"):
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    return key.sign(message) if key is BOB else key.sign(message, ec.ECDSA(SHA256()))


def bundle(payload=None, key=ALICE, signature=None):
    """Return a bundle as a dictionary; ``payload`` is a statement or any bytes."""
    payload = statement() if payload is None else payload
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = signature_of(key, raw) if signature is None else signature
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": key_id(key)}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(raw).decode(),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": key_id(key)}],
        },
    }
