"""A small Sigstore with real cryptography: an authority of certificates, their log, a log of entries, an issuer.

``Sigstore`` makes what they answer, in this process; ``serving`` puts them on loopback, as their programs would.

Source: RFC 6962 (logs of certificates, trees); Fulcio, Rekor v1 and C2SP signed notes, as their clients read them.
"""

import base64
import contextlib
import hashlib
import json
import struct
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ISSUER = "https://token.actions.githubusercontent.com"
SUBJECT = "https://github.com/acme/web/.github/workflows/release.yml@refs/heads/main"
REQUEST_TOKEN = "the workflow's own"  # noqa: S105 - of a simulator
_SCTS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_ISSUED_BY = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")


def b64(raw):
    return base64.b64encode(raw).decode()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def der(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def log_id(key):
    return hashlib.sha256(der(key)).digest()


def signed(key, message):
    return key.sign(message, ec.ECDSA(SHA256()))


def text_of(text):
    """Return a text of less than 128 bytes as UTF8String."""
    return bytes([0x0C, len(text.encode())]) + text.encode()


class Authority:
    """Issues certificates, each of them in a log."""

    def __init__(self, name="sigstore-simulated"):
        self.key, self.log = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        start = datetime(2020, 1, 1, tzinfo=UTC)
        usage = self._usage(signs_certificates=True)
        self.root = (
            x509.CertificateBuilder(
                self.name, self.name, self.key.public_key(), 1, start, start + timedelta(days=36500)
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, SHA256())
        )

    def _usage(self, *, signs_certificates, signs=True):
        others = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        return x509.KeyUsage(
            digital_signature=signs,
            key_cert_sign=signs_certificates,
            crl_sign=signs_certificates,
            decipher_only=False,
            **others,
        )

    def certificate(
        self,
        key,
        *,
        subjects=(SUBJECT,),
        issuer=ISSUER,
        at=None,
        log=None,
        signs=True,
        says_issuer=True,
        issuer_value=None,
    ):
        """Return a certificate of ten minutes for a public key.

        Args:
            key: the public key.
            subjects: whom it names.
            issuer: who vouched for that.
            at: when it begins, seconds since 1970; None for now.
            log: the key of the log that has it; None for the authority's own.
            signs: whether it may be used for signatures.
            says_issuer: whether it says who vouched.
            issuer_value: the bytes of the issuer's extension; None for those of ``issuer``.
        """
        start = datetime.fromtimestamp(int(time.time() if at is None else at), UTC)
        value = text_of(issuer) if issuer_value is None else issuer_value
        named = [
            x509.RFC822Name(each) if "@" in each and "/" not in each else x509.UniformResourceIdentifier(each)
            for each in subjects
        ]
        builder = (
            x509.CertificateBuilder(
                self.name, x509.Name([]), key, x509.random_serial_number(), start, start + timedelta(minutes=10)
            )
            .add_extension(self._usage(signs_certificates=False, signs=signs), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName(named), critical=True)
        )
        if says_issuer:
            builder = builder.add_extension(x509.UnrecognizedExtension(_ISSUED_BY, value), critical=False)
        promised = self._promised(builder.sign(self.key, SHA256()).tbs_certificate_bytes, start, log or self.log)
        return builder.add_extension(x509.UnrecognizedExtension(_SCTS, promised), critical=False).sign(
            self.key, SHA256()
        )

    def _promised(self, body, at, log):
        """Return the list with the log's promise for a certificate that has no such list yet."""
        milliseconds = int(at.timestamp() * 1000)
        entry = hashlib.sha256(der(self.key)).digest() + struct.pack("!I", len(body))[1:] + body
        signature = signed(log, struct.pack("!BBQH", 0, 0, milliseconds, 1) + entry + b"\0\0")
        promise = struct.pack("!B32sQHBBH", 0, log_id(log), milliseconds, 0, 4, 3, len(signature)) + signature
        listed = struct.pack("!H", len(promise)) + promise
        whole = struct.pack("!H", len(listed)) + listed
        length = bytes([len(whole)]) if len(whole) < 128 else bytes([0x81, len(whole)])
        return b"\x04" + length + whole


class TimeAuthority:
    """Signs times, by openssl.

    Args:
        folder: takes its keys and its state.
    """

    def __init__(self, folder):
        self.folder = folder
        root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        start = datetime(2020, 1, 1, tzinfo=UTC)
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"time {each}")]) for each in ("root", "leaf")]
        self.chain = []
        for name, key, is_root in ((names[1], leaf, False), (names[0], root, True)):
            builder = x509.CertificateBuilder(
                names[0], name, key.public_key(), x509.random_serial_number(), start, start + timedelta(days=36500)
            ).add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
            if not is_root:
                use = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
                builder = builder.add_extension(use, critical=True)
            self.chain.append(builder.sign(root, SHA256()))
        secret = leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "time.key").write_bytes(secret)
        (folder / "time.pem").write_bytes(self.chain[0].public_bytes(Encoding.PEM))
        (folder / "time.serial").write_text("01\n")
        (folder / "time.conf").write_text(
            "[tsa]\ndefault_tsa = own\n[own]\nserial = time.serial\nsigner_cert = time.pem\nsigner_key = time.key\n"
            "signer_digest = sha256\ndefault_policy = 1.3.6.1.4.1.57264.2\ndigests = sha256\ness_cert_id_alg = sha256\n"
        )

    def answer(self, asked):
        """Return a signed time for a request in DER."""
        (self.folder / "time.tsq").write_bytes(asked)
        words = ("ts", "-reply", "-config", "time.conf", "-queryfile", "time.tsq", "-out", "time.tsr")
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)
        return (self.folder / "time.tsr").read_bytes()


class Log:
    """A log of entries: a tree of hashes, its signed state, and a signed time for each entry."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.leaves = [hashlib.sha256(b"\0" + f"another's {number}".encode()).digest() for number in range(5)]
        self.lock = threading.Lock()

    def add(self, body, at=None, key=None):
        """Add an entry, and return it as bundles have it."""
        key, at = key or self.key, int(time.time() if at is None else at)
        with self.lock:
            index = len(self.leaves)
            self.leaves.append(hashlib.sha256(b"\0" + body).digest())
            self.leaves.append(hashlib.sha256(b"\0" + b"the next one's").digest())
            leaves = tuple(self.leaves)
        root = _root(leaves)
        note = f"log.example - 1\n{len(leaves)}\n{b64(root)}\n"
        note_signature = b64(log_id(key)[:4] + signed(key, note.encode()))
        promised = {"body": b64(body), "integratedTime": at, "logID": log_id(key).hex(), "logIndex": index}
        kind = json.loads(body)
        return {
            "logIndex": str(index),
            "logId": {"keyId": b64(log_id(key))},
            "kindVersion": {"kind": kind["kind"], "version": kind["apiVersion"]},
            "integratedTime": str(at),
            "inclusionPromise": {"signedEntryTimestamp": b64(signed(key, canonical(promised)))},
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": b64(root),
                "treeSize": str(len(leaves)),
                "hashes": [b64(each) for each in _path(index, leaves)],
                "checkpoint": {"envelope": f"{note}\n\N{EM DASH} log.example {note_signature}\n"},
            },
            "canonicalizedBody": b64(body),
        }


def _split(number):
    """Return the largest power of two below a number. Source: RFC 6962, section 2.1."""
    return 1 << (number - 1).bit_length() - 1


def _root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    cut = _split(len(leaves))
    return hashlib.sha256(b"\1" + _root(leaves[:cut]) + _root(leaves[cut:])).digest()


def _path(index, leaves):
    if len(leaves) == 1:
        return []
    cut = _split(len(leaves))
    if index < cut:
        return [*_path(index, leaves[:cut]), _root(leaves[cut:])]
    return [*_path(index - cut, leaves[cut:]), _root(leaves[:cut])]


def entry_body(payload, signature, certificate, envelope=b""):
    """Return what a log keeps of an envelope."""
    pem = certificate.public_bytes(Encoding.PEM)
    return canonical(
        {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(envelope).hexdigest()},
                "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                "signatures": [{"signature": b64(signature), "verifier": b64(pem)}],
            },
        }
    )


class Sigstore:
    """All of them, and the files by which they are trusted and found.

    Args:
        times: who signs times; None for nobody but the log.
    """

    def __init__(self, times=None):
        self.times = times
        self.next_begins: list[float] = []
        """When the next certificates begin, seconds since 1970; without any, now."""
        self.authority, self.log = Authority(), Log()
        self.issuer = ec.generate_private_key(ec.SECP256R1())

    def trust_root(self):
        start = {"start": "2020-01-01T00:00:00Z"}

        def authority(uri, *chain):
            return {
                "subject": {"organization": "simulated", "commonName": uri},
                "uri": uri,
                "certChain": {"certificates": [{"rawBytes": b64(each.public_bytes(Encoding.DER))} for each in chain]},
                "validFor": start,
            }

        def log_of(key, url):
            public = {"rawBytes": b64(der(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": start}
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": public,
                "logId": {"keyId": b64(log_id(key))},
            }

        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log_of(self.log.key, "https://log.example")],
            "certificateAuthorities": [authority("https://fulcio.example", self.authority.root)],
            "ctlogs": [log_of(self.authority.log, "https://ct.example")],
            "timestampAuthorities": [authority("https://time.example", *self.times.chain)] if self.times else [],
        }

    def trust_config(self, url):
        """Return the file by which clients sign."""
        service = {"url": url, "majorApiVersion": 1, "validFor": {"start": "2020-01-01T00:00:00Z"}, "operator": "tests"}
        return {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": self.trust_root(),
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": [service],
                "oidcUrls": [],
                "rekorTlogUrls": [service],
                "tsaUrls": [service | {"url": f"{url}/time"}] if self.times else [],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaConfig": {"selector": "ANY"},
            },
        }

    def token(self, subject=SUBJECT, issuer=ISSUER, lasting=600, key=None):
        """Return what an issuer of identities signs for a workflow."""
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": "sigstore",
            "sub": "repo:acme/web:ref:refs/heads/main",
            "job_workflow_ref": subject.removeprefix("https://github.com/"),
            "iat": now - 1,
            "nbf": now - 1,
            "exp": now + lasting,
        }
        return jwt.encode(claims, key or self.issuer, "ES256")

    def bundle(
        self,
        statement,
        *,
        authority=None,
        log=None,
        at=None,
        issued_at=None,
        change_body=None,
        log_of_certificates=None,
        **certificate,
    ):
        """Return a bundle of a statement, as a dictionary.

        Args:
            statement: the statement, or its bytes.
            authority: who issues the certificate.
            log: which log has the entry.
            at: what time it gives to the entry; None for now.
            issued_at: when the certificate begins; None for now.
            change_body: changes what is logged.
            log_of_certificates: the key of the log that has the certificate; None for the authority's own.
            certificate: see ``Authority.certificate``.
        """
        payload = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
        key = ec.generate_private_key(ec.SECP256R1())
        issued = (authority or self.authority).certificate(
            key.public_key(), at=issued_at, log=log_of_certificates or self.authority.log, **certificate
        )
        kind = "application/vnd.in-toto+json"
        signature = signed(key, f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
        body = entry_body(payload, signature, issued)
        entry = (log or self.log).add(change_body(body) if change_body else body, at=at)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(issued.public_bytes(Encoding.DER))},
                "tlogEntries": [entry],
                "timestampVerificationData": {"rfc3161Timestamps": []},
            },
            "dsseEnvelope": {
                "payload": b64(payload),
                "payloadType": kind,
                "signatures": [{"sig": b64(signature)}],
            },
        }


class _RefusesError(Exception):
    """A request that one of them refuses."""


class _Handler(BaseHTTPRequestHandler):
    world: Sigstore
    subject = SUBJECT

    def log_message(self, *words):
        """Say nothing."""

    def do_GET(self):
        parts = urlsplit(self.path)
        is_asked = parts.path == "/token" and parse_qs(parts.query).get("audience") == ["sigstore"]
        if not is_asked or self.headers["Authorization"] != f"bearer {REQUEST_TOKEN}":
            return self._answer(403, {"message": "no token for you"})
        return self._answer(200, {"value": self.world.token(self.subject)})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/time":
            return self._write(200, self.world.times.answer(raw), "application/timestamp-reply")
        asked = json.loads(raw)
        try:
            if self.path == "/api/v2/signingCert":
                return self._answer(200, self._certificate(asked))
            if self.path == "/api/v1/log/entries":
                return self._answer(201, self._entry(asked))
            return self._answer(404, {"message": "no such path"})
        except _RefusesError as error:
            return self._answer(400, {"message": str(error)})

    def _certificate(self, asked):
        """Issue a certificate for a key whose holder an issuer of identities vouches for."""
        token = self.headers["Authorization"].removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, self.world.issuer.public_key(), ["ES256"], audience="sigstore")
        except jwt.PyJWTError as error:
            raise _RefusesError(f"the token does not hold: {error}") from error
        request = x509.load_pem_x509_csr(base64.b64decode(asked["certificateSigningRequest"]))
        if not request.is_signature_valid:
            raise _RefusesError("the request is not signed by its key")
        issued = self.world.authority.certificate(
            request.public_key(),
            subjects=(f"https://github.com/{claims['job_workflow_ref']}",),
            issuer=claims["iss"],
            at=self.world.next_begins.pop() if self.world.next_begins else None,
        )
        chain = [each.public_bytes(Encoding.PEM).decode() for each in (issued, self.world.authority.root)]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}

    def _entry(self, asked):
        """Log an envelope that its certificate's key has signed."""
        proposed = asked["spec"]["proposedContent"]
        envelope = json.loads(proposed["envelope"])
        issued = x509.load_pem_x509_certificate(base64.b64decode(proposed["verifiers"][0]))
        payload, signature = (
            base64.b64decode(each) for each in (envelope["payload"], envelope["signatures"][0]["sig"])
        )
        kind = envelope["payloadType"]
        message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        issued.public_key().verify(signature, message, ec.ECDSA(SHA256()))
        entry = self.world.log.add(entry_body(payload, signature, issued, proposed["envelope"].encode()))
        proof = entry["inclusionProof"]
        shown = {
            "logIndex": int(proof["logIndex"]),
            "rootHash": base64.b64decode(proof["rootHash"]).hex(),
            "treeSize": int(proof["treeSize"]),
            "hashes": [base64.b64decode(each).hex() for each in proof["hashes"]],
            "checkpoint": proof["checkpoint"]["envelope"],
        }
        logged = {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
            "logIndex": int(entry["logIndex"]),
            "verification": {
                "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
                "inclusionProof": shown,
            },
        }
        return {hashlib.sha256(entry["canonicalizedBody"].encode()).hexdigest(): logged}

    def _answer(self, status, document):
        self._write(status, json.dumps(document).encode(), "application/json")

    def _write(self, status, raw, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@contextlib.contextmanager
def serving(world, subject=SUBJECT):
    """Serve them on loopback, and yield their address; ``subject`` is whose tokens are given out."""
    handler = type("Handler", (_Handler,), {"world": world, "subject": subject})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
