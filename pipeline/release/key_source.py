"""Where a private key comes from: a file, the environment, an agent, or this machine's own, in the words of users.

``SEATRIAL_KEY`` is the path of a file, the PEM itself, ``agent:`` and a part of what the agent calls the key, or
``oidc:`` and the path of a client trust configuration of Sigstore, by which an identity signs in the place of a key.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.declare.errors import KeysError
from pipeline.release.agent import agent_keys
from pipeline.release.certified import EXTRA
from pipeline.release.identity import PREFIX
from pipeline.release.key_place import KEY, PASSPHRASE
from pipeline.release.private_key import LockedKeyError, PrivateKey, machine_key, read_key_file
from pipeline.release.signing import AnySigner, Certifying, Signer

AGENT = "agent:"


def signer_of(
    wanted: str, environment: Mapping[str, str], folder: Path, ask: Callable[[str], str] | None = None
) -> AnySigner:
    """Return the key to sign with, or the identity.

    Args:
        wanted: a file, PEM, ``agent:`` or ``oidc:``; empty for what the environment says, or this machine's own.
        environment: of the process.
        folder: of the user's keys.
        ask: asks a person for the passphrase of a file; None where nobody is there.

    Raises:
        KeysError: there is no such key, or it cannot be used.
    """
    chosen = wanted or environment.get(KEY, "")
    if not chosen:
        return machine_key(folder)
    if chosen.startswith(AGENT):
        return _of_agent(chosen.removeprefix(AGENT), environment)
    if chosen.startswith(PREFIX):
        return _of_identity(Path(chosen.removeprefix(PREFIX)), environment)
    if chosen.lstrip().startswith("-----BEGIN"):
        return _parse(chosen.encode(), f"the variable {KEY}", environment, None)
    return _parse(read_key_file(Path(chosen)), chosen, environment, ask)


def _parse(pem: bytes, what: str, environment: Mapping[str, str], ask: Callable[[str], str] | None) -> PrivateKey:
    passphrase = environment.get(PASSPHRASE, "").encode() or None
    try:
        return PrivateKey.parse(pem, what, passphrase)
    except LockedKeyError:
        if ask is None:
            raise
        return PrivateKey.parse(pem, what, ask(f"passphrase of {what}: ").encode())


def _of_identity(config: Path, environment: Mapping[str, str]) -> Certifying:
    """Return a signer that has an identity, by a library that nothing else loads."""
    try:
        from pipeline.release.identity_token import identity_token  # noqa: PLC0415 - loads a large library
        from pipeline.release.keyless import keyless_signer  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise KeysError(f"{PREFIX}{config} wants the library `sigstore`, which is not installed", hint=EXTRA) from error
    return keyless_signer(config, lambda: identity_token(environment))


def _of_agent(named: str, environment: Mapping[str, str]) -> Signer:
    path = environment.get("SSH_AUTH_SOCK", "")
    if not path:
        raise KeysError(
            f"{AGENT}{named} names a key of an agent, and SSH_AUTH_SOCK names none",
            hint="start one with `eval $(ssh-agent)`, and `ssh-add FILE`",
        )
    held = agent_keys(Path(path))
    found = [each for each in held if named in each.comment or named == each.public.id]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{each.comment} ({each.public.kind})" for each in held) or "none"
    raise KeysError(
        f"{AGENT}{named} names {len(found)} keys of the agent, and one is wanted",
        hint=f"of P-256 and Ed25519 it holds: {listed}",
    )
