"""A key that an ssh-agent holds: it signs, and never gives the key away. Hardware tokens are reached in this way too.

Only the kinds of keys that evidence is signed with are seen. What is signed is the message itself, as DSSE has it: no
other tool needs to know that an agent was asked.

Source: draft-miller-ssh-agent, sections 4.1 to 4.6; RFC 5656, section 3.1.2 and RFC 8709, sections 4 and 6.
"""

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from pipeline.declare.errors import KeysError
from pipeline.release.documents import encode_base64
from pipeline.release.public_key import PublicKey

_REQUEST_IDENTITIES, _IDENTITIES, _SIGN, _SIGNATURE = 11, 12, 13, 14
_KINDS = (b"ecdsa-sha2-nistp256", b"ssh-ed25519")
_LIMIT = 256 * 1024
_PATIENCE = 60.0  # seconds: a token may wait for a touch


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKey:
    """Satisfies ``pipeline.release.signing.Signer`` by asking an agent.

    Args:
        path: of the agent's socket.
        blob: the public key in the agent's form.
        comment: what the agent calls it.
        public: the same key.
    """

    path: Path
    blob: bytes
    comment: str
    public: PublicKey

    def sign(self, message: bytes) -> bytes:
        """Return a signature over ``message``.

        Raises:
            KeysError: the agent cannot be reached, or refuses.
        """
        body = _text(self.blob) + _text(message) + struct.pack(">I", 0)
        signed, _ = _first(_ask(self.path, _SIGN, body, _SIGNATURE))
        kind, rest = _first(signed)
        signature, _ = _first(rest)
        if kind == _KINDS[1]:
            return signature
        one, rest = _first(signature)
        two, _ = _first(rest)
        return encode_dss_signature(int.from_bytes(one, "big"), int.from_bytes(two, "big"))


def agent_keys(path: Path) -> tuple[AgentKey, ...]:
    """Return the keys of an agent that evidence can be signed with.

    Raises:
        KeysError: it cannot be reached.
    """
    rest = _ask(path, _REQUEST_IDENTITIES, b"", _IDENTITIES)[4:]
    found = []
    while rest:
        blob, rest = _first(rest)
        comment, rest = _first(rest)
        public = _public(blob)
        if public:
            text = comment.decode("utf-8", errors="replace")
            found.append(AgentKey(path=path, blob=blob, comment=text, public=public))
    return tuple(found)


def _public(blob: bytes) -> PublicKey | None:
    kind, _ = _first(blob)
    if kind not in _KINDS:
        return None
    try:
        return PublicKey.of(load_ssh_public_key(b"%b %b" % (kind, encode_base64(blob).encode())))
    except (ValueError, UnsupportedAlgorithm):
        return None


def _ask(path: Path, kind: int, body: bytes, wanted: int) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.settimeout(_PATIENCE)
            agent.connect(str(path))
            agent.sendall(struct.pack(">IB", len(body) + 1, kind) + body)
            size = struct.unpack(">I", _receive(agent, 4))[0]
            answer = _receive(agent, min(size, _LIMIT))
    except OSError as error:
        raise KeysError(
            f"the agent at {path} cannot be asked: {error.strerror or error}",
            hint="start one with `eval $(ssh-agent)`, and `ssh-add FILE`",
        ) from error
    if not answer or answer[0] != wanted:
        raise KeysError(f"the agent at {path} refuses to {'sign' if wanted == _SIGNATURE else 'list its keys'}")
    return answer[1:]


def _receive(agent: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = agent.recv(size - len(parts))
        if not part:
            raise OSError("it ended in the middle of its answer")
        parts += part
    return parts


def _text(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _first(raw: bytes) -> tuple[bytes, bytes]:
    """Return the first string of the agent's protocol, which has its length before it, and what follows."""
    end = 4 + int.from_bytes(raw[:4], "big")
    if len(raw) < max(end, 4):
        raise KeysError("the agent's answer is cut off")
    return raw[4:end], raw[end:]
