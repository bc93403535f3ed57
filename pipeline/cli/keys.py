"""``keys``: the keys that evidence is signed with, and the keyring that says whose signatures count."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import faults
from pipeline.cli.arguments import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pipeline.declare.keyring_file import Role
    from pipeline.release.identity import Identity
    from pipeline.release.keyring_file import Signed
    from pipeline.release.public_key import PublicKey
    from pipeline.release.seen import Seen
    from pipeline.release.signing import Signer

EXAMPLES = """\
examples:
  seatrial keys                                     this machine's key, and the keyring's
  seatrial keys export > me.pub                     this machine's public key, for any tool
  seatrial keys new ci.pem                          a key of its own, with a passphrase
  seatrial keys init                                a keyring, whose root is your key
  seatrial keys add ci ci.pub --role verifier       let the signatures of a key count
  seatrial keys add ci oidc:SUBJECT --issuer URL --role verifier    of who has no key
  seatrial keys trust trusted_root.json             by what such signatures are verified
  seatrial keys rotate ci new.pub                   another key in its place
  seatrial keys revoke ci --reason "laptop lost"    let nothing count that it ever signed
  seatrial keys sign                                sign the keyring as it is, for another year"""

KEYRING = "specs/keyring.json"
"""Where a keyring lies, from the folder of the project."""

LASTING = 365
OVERLAP = 7
"""Days."""

_ROLES = ("builder", "rebuilder", "verifier", "promoter")
_WORDS = {
    "list": (0, 0, ""),
    "new": (1, 1, "the FILE to write"),
    "export": (0, 1, "the NAME of a key at most"),
    "init": (0, 0, ""),
    "add": (2, 2, "a NAME and the FILE of a public key, or oidc:SUBJECT"),
    "trust": (1, 1, "the FILE of a trusted root of Sigstore"),
    "rotate": (2, 2, "a NAME and the FILE of a public key, or oidc:SUBJECT"),
    "revoke": (1, 1, "the NAME of a key, or sha256:… of an image"),
    "sign": (0, 0, ""),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("action", nargs="?", default="list", choices=tuple(_WORDS), metavar="ACTION", help="see above")
    parser.add_argument("words", nargs="*", metavar="NAME|FILE", help="what the action is about")
    parser.add_argument("--key", metavar="KEY", default="", help="sign with a file's key, or agent:NAME (SEATRIAL_KEY)")
    parser.add_argument("--keyring", metavar="FILE", default=KEYRING, help=f"the keyring ({KEYRING})")
    parser.add_argument("--role", action="append", metavar="ROLE", choices=_ROLES, help=f"add: {', '.join(_ROLES)}")
    parser.add_argument("--issuer", metavar="URL", default="", help="add, rotate: who vouches for oidc:SUBJECT")
    parser.add_argument("--days", type=int, metavar="N", default=LASTING, help=f"how long it is valid ({LASTING})")
    parser.add_argument("--overlap", type=int, metavar="N", default=OVERLAP, help=f"rotate: days of both ({OVERLAP})")
    parser.add_argument("--reason", metavar="TEXT", default="", help="revoke: why")
    parser.add_argument("--root", action="append", default=[], metavar="FILE", help="init: one more root's public key")
    parser.add_argument("--threshold", type=int, metavar="N", default=1, help="init: how many roots have to sign (1)")
    parser.add_argument("--ed25519", action="store_true", help="new: Ed25519 in place of ECDSA P-256")
    parser.add_argument("--no-passphrase", action="store_true", help="new: do not encrypt the file")


def run(arguments: argparse.Namespace) -> int:
    """Carry out the action; exit 1 if a keyring is listed that would not be trusted now."""
    least, most, wanted = _WORDS[arguments.action]
    if not least <= len(arguments.words) <= most:
        raise UsageError(
            f"`keys {arguments.action}` takes {wanted or 'nothing more'}", hint="run `seatrial keys --help`"
        )
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "new": _new,
        "export": _export,
        "init": _init,
        "sign": _sign,
    }
    return actions.get(arguments.action, _change)(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from pipeline.release.keyring_file import Trust  # noqa: PLC0415 - keeps the imports of --help few
    from pipeline.release.keyring_place import find_keyring, read_keyring  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_text import document, lines, problem_of  # noqa: PLC0415 - likewise
    from pipeline.release.private_key import PrivateKey, read_key_file  # noqa: PLC0415 - likewise
    from pipeline.report.text import visible  # noqa: PLC0415 - likewise

    path, now, seen = _folder() / "machine.pem", int(time.time()), _seen()
    own = PrivateKey.parse(read_key_file(path), str(path)).public if path.exists() else None
    read = find_keyring if arguments.keyring == KEYRING else read_keyring
    found = read(Path(arguments.keyring))
    problem = problem_of(found, seen.trust(found, Trust()), now) if found else ""
    if found and not problem:
        seen.keep(found)
    if arguments.json:
        sys.stdout.write(json.dumps(document(own, path, found, arguments.keyring, problem), indent=1) + "\n")
    else:
        told = lines(own, path, found, arguments.keyring, problem=problem, now=now)
        sys.stdout.writelines(f"{visible(each)}\n" for each in told)
    return faults.FAILED if problem else faults.PASSED


def _new(arguments: argparse.Namespace) -> int:
    from pipeline.declare.errors import KeysError  # noqa: PLC0415 - likewise
    from pipeline.release.private_key import PrivateKey, keep_key  # noqa: PLC0415 - likewise
    from pipeline.release.public_key import Kind  # noqa: PLC0415 - likewise

    path = Path(arguments.words[0])
    passphrase = None if arguments.no_passphrase else _new_passphrase(path)
    key = PrivateKey.new(Kind.ED25519 if arguments.ed25519 else Kind.P256)
    if not keep_key(path, key, passphrase):
        raise KeysError(f"{path} exists, and a key is never written over another file", hint="name another file")
    if arguments.json:
        _print_json({"path": str(path), "id": key.public.id, "kind": key.public.kind.value})
    else:
        sys.stdout.write(key.public.pem.decode())
        if not arguments.quiet:
            sys.stderr.write(f"the private key is in {path}; on stdout is the public one\n")
    return faults.PASSED


def _export(arguments: argparse.Namespace) -> int:
    from pipeline.declare.errors import KeysError  # noqa: PLC0415 - likewise
    from pipeline.release.identity import Identity  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_place import read_keyring  # noqa: PLC0415 - likewise

    if arguments.words:
        held = {each.name: each.key for each in read_keyring(Path(arguments.keyring)).keyring.holders}
        if arguments.words[0] not in held:
            raise KeysError(f"{arguments.keyring} has no key '{arguments.words[0]}'", hint="`seatrial keys` lists them")
        found = held[arguments.words[0]]
        if isinstance(found, Identity):
            raise KeysError(f"'{arguments.words[0]}' is an identity, {found.id}, and has no key")
        key = found
    else:
        key = _signer(arguments).public
    if arguments.json:
        _print_json({"id": key.id, "kind": key.kind.value, "pem": key.pem.decode()})
    else:
        sys.stdout.write(key.pem.decode())
    return faults.PASSED


def _init(arguments: argparse.Namespace) -> int:
    from pipeline.declare.errors import KeysError  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_changes import DAY, new_keyring, signed_by  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_place import read_public_key  # noqa: PLC0415 - likewise

    if Path(arguments.keyring).exists():
        raise KeysError(f"{arguments.keyring} exists already", hint="`seatrial keys` shows it")
    signer = _signer(arguments)
    roots = [signer.public, *(read_public_key(Path(each)) for each in arguments.root)]
    found = new_keyring(roots, arguments.threshold, int(time.time()) + _days(arguments.days) * DAY)
    return _write(arguments, signed_by(found, signer))


def _change(arguments: argparse.Namespace) -> int:
    from pipeline.release import keyring_changes as changes  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_place import read_keyring, read_trust_root  # noqa: PLC0415 - likewise

    found, signer, now = read_keyring(Path(arguments.keyring)), _signer(arguments), int(time.time())
    keyring, lasting = changes.may_change(found, signer), _days(arguments.days) * changes.DAY
    name, *rest = arguments.words
    match arguments.action:
        case "add":
            holder = changes.make_holder(name, _who(rest[0], arguments), _roles(arguments), now, lasting)
            changed = changes.with_holder(keyring, holder)
        case "trust":
            changed = changes.with_trust_root(keyring, read_trust_root(Path(name)))
        case "rotate":
            overlap, new = arguments.overlap * changes.DAY, _who(rest[0], arguments)
            changed = changes.rotated(keyring, name, new, now, overlap=overlap, lasting=lasting)
        case _:
            changed = changes.with_revocation(keyring, name, now, arguments.reason or "no reason was given")
    return _write(arguments, changes.signed_by(changed, signer))


def _who(word: str, arguments: argparse.Namespace) -> PublicKey | Identity:
    """Return whose signatures are to count: the key of a file, or an identity."""
    from pipeline.release.identity import PREFIX  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_place import parse_identity, read_public_key  # noqa: PLC0415 - likewise

    if word.startswith(PREFIX) != bool(arguments.issuer):
        raise UsageError("an identity is a subject and an issuer", hint=f"write {PREFIX}SUBJECT --issuer URL")
    if arguments.issuer:
        return parse_identity(word.removeprefix(PREFIX), arguments.issuer)
    return read_public_key(Path(word))


def _sign(arguments: argparse.Namespace) -> int:
    """Add a root's signature; where it has signed already, begin the next version, which is valid for longer."""
    from pipeline.release.keyring_changes import DAY, renewed, require_root, signed_by  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_place import read_keyring  # noqa: PLC0415 - likewise

    found, signer = read_keyring(Path(arguments.keyring)), _signer(arguments)
    require_root(found.keyring, signer)
    if not found.is_signed_by(signer.public):
        return _write(arguments, found.sign(signer))
    keyring = renewed(found.keyring, int(time.time()) + _days(arguments.days) * DAY)
    return _write(arguments, signed_by(keyring, signer))


def _write(arguments: argparse.Namespace, found: Signed) -> int:
    """Write a keyring that this user has signed, and say what is missing."""
    from pipeline.release.keyring_place import write_keyring  # noqa: PLC0415 - likewise

    write_keyring(Path(arguments.keyring), found, _seen())
    version, signed, wanted = found.keyring.version, len(found.signers), found.keyring.roots.threshold
    if arguments.json:
        facts = {"keyring": arguments.keyring, "version": version, "digest": found.digest.text}
        _print_json({**facts, "signed": signed, "threshold": wanted})
    elif not arguments.quiet:
        more = "" if found.is_complete else f"; {wanted - signed} more of its roots have to run `seatrial keys sign`"
        sys.stdout.write(f"{arguments.keyring}  version {version}, signed by {signed} of {wanted}{more}\n")
    return faults.PASSED


def _roles(arguments: argparse.Namespace) -> tuple[Role, ...]:
    from pipeline.declare.keyring_file import Role  # noqa: PLC0415 - likewise

    if not arguments.role:
        raise UsageError("`keys add` wants to know what the key may sign", hint=f"--role {' or '.join(_ROLES)}")
    return tuple(Role(each) for each in arguments.role)


def _folder() -> Path:
    from pipeline.release.key_place import keys_folder  # noqa: PLC0415 - likewise

    return keys_folder(os.environ, Path.home())


def _seen() -> Seen:
    from pipeline.release.seen import Seen  # noqa: PLC0415 - likewise

    return Seen(_folder())


def _signer(arguments: argparse.Namespace) -> Signer:
    from pipeline.cli.signer import chosen_signer  # noqa: PLC0415 - likewise
    from pipeline.release.signing import Certifying  # noqa: PLC0415 - likewise

    found = chosen_signer(arguments.key)
    if isinstance(found, Certifying):
        raise UsageError("an identity is no root of a keyring", hint="leave out oidc:, and name a key with --key")
    return found


def _new_passphrase(path: Path) -> bytes:
    import getpass  # noqa: PLC0415 - likewise

    from pipeline.release.key_place import PASSPHRASE  # noqa: PLC0415 - likewise

    given = os.environ.get(PASSPHRASE, "")
    if not given and sys.stdin.isatty():
        given = getpass.getpass(f"new passphrase of {path}: ")
        if given != getpass.getpass("the same again: "):
            raise UsageError("the two passphrases differ")
    if not given:
        raise UsageError(
            f"{path} would not be encrypted", hint=f"set {PASSPHRASE}, or say --no-passphrase if that is meant"
        )
    return given.encode()


def _days(number: int) -> int:
    if not 1 <= number <= 36_500:
        raise UsageError(f"--days {number} is not between 1 and 36500")
    return number


def _print_json(facts: dict[str, object]) -> None:
    sys.stdout.write(json.dumps({"schema": "https://seatrial.dev/keys/v1", **facts}, indent=1) + "\n")
