"""Bundles with a certificate that are refused; the simulated Sigstore makes them, with real cryptography."""

import copy
import functools
import json
import sys
import time
from pathlib import Path

import evidence_world as world
from hostile_evidence import Attack

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from simulated_sigstore import ISSUER, SUBJECT, Authority, Log, Sigstore, b64, canonical, text_of

from pipeline.release.bundle import parse_bundle
from pipeline.release.certified import verify_certified
from pipeline.release.identity import Identity
from pipeline.release.refusal import Refusal

OTHER_BRANCH = SUBJECT.replace("main", "mine")
KNOWN = (
    Identity(subject=SUBJECT, issuer=ISSUER),
    Identity(subject="somebody@example.org", issuer="https://accounts.example"),
)
NOW = int(time.time())


@functools.cache
def sigstore():
    """Return the one that is trusted."""
    return Sigstore()


@functools.cache
def _signed():
    return sigstore().bundle(world.statement())


def taken(document=None, trust_root=None, known=KNOWN):
    """Take a bundle as a gate does."""
    raw = json.dumps(_signed() if document is None else document).encode()
    root = json.dumps(sigstore().trust_root()) if trust_root is None else trust_root
    return verify_certified(parse_bundle(raw), root, known)


def _made(reason, **changes):
    """Return an attack by somebody who gets a certificate, or a log's entry, of another kind."""

    def attempt():
        given = {name: each() if callable(each) and name != "change_body" else each for name, each in changes.items()}
        return taken(sigstore().bundle(world.statement(), **given))

    return Attack(reason=reason, attempt=attempt)


def _changed(reason, change):
    """Return an attack whose bundle is changed after it was signed."""

    def attempt():
        document = copy.deepcopy(_signed())
        change(document)
        return taken(document)

    return Attack(reason=reason, attempt=attempt)


def _entry(reason, change):
    """Return an attack in whose bundle the entry of the log is changed."""
    return _changed(reason, lambda document: change(document["verificationMaterial"]["tlogEntries"][0]))


def _with_trust_root(reason, **changes):
    def attempt():
        return taken(trust_root=json.dumps(sigstore().trust_root() | changes))

    return Attack(reason=reason, attempt=attempt)


def _without_library():
    """Take a bundle where the library is not installed: its module cannot be imported."""
    name = "pipeline.release.certificate"
    before = sys.modules.get(name)
    sys.modules[name] = None
    try:
        return taken()
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


def _body(change):
    def changed(raw):
        body = json.loads(raw)
        change(body["spec"])
        return canonical(body)

    return changed


def _set(part, **values):
    part.update(values)


def _twice(items):
    items.extend(list(items))


def _signature(document):
    another = sigstore().bundle(world.statement())
    document["dsseEnvelope"]["signatures"] = another["dsseEnvelope"]["signatures"]


IDENTITY_ATTACKS = {
    "no_trust_root": Attack(reason=Refusal.TRUST_ROOT_MISSING, attempt=lambda: taken(trust_root="")),
    "trust_root_of_another_kind": _with_trust_root(Refusal.TRUST_ROOT_FORM, mediaType="x"),
    "trust_root_without_a_log": _with_trust_root(Refusal.TRUST_ROOT_FORM, tlogs=[]),
    "trust_root_that_is_no_object": Attack(reason=Refusal.TRUST_ROOT_FORM, attempt=lambda: taken(trust_root="[]")),
    "certificate_where_the_library_is_missing": Attack(reason=Refusal.KEYLESS_MISSING, attempt=_without_library),
    "certificate_of_rubbish": _changed(
        Refusal.CERTIFIED_FORM,
        lambda document: _set(document["verificationMaterial"]["certificate"], rawBytes=b64(b"rubbish")),
    ),
    "entry_without_a_proof": _entry(Refusal.CERTIFIED_FORM, lambda entry: entry.pop("inclusionProof")),
    "entry_without_a_signed_state": _entry(
        Refusal.CERTIFIED_FORM, lambda entry: entry["inclusionProof"].pop("checkpoint")
    ),
    "entry_without_a_time_that_is_signed": _entry(Refusal.CERTIFIED_FORM, lambda entry: entry.pop("inclusionPromise")),
    "certificate_of_another_authority": _made(Refusal.CERTIFICATE_CHAIN, authority=Authority),
    "certificate_of_an_authority_of_another_name": _made(
        Refusal.CERTIFICATE_CHAIN, authority=lambda: Authority("another")
    ),
    "signed_after_the_certificate_ended": _made(Refusal.CERTIFICATE_TIME, at=NOW + 700),
    "signed_before_the_certificate_began": _made(Refusal.CERTIFICATE_TIME, at=NOW - 700),
    "certificate_in_another_log": _made(Refusal.CERTIFICATE_LOG, log_of_certificates=lambda: Authority().log),
    "certificate_for_no_signatures": _made(Refusal.CERTIFICATE_PROFILE, signs=False),
    "certificate_that_names_two": _made(Refusal.IDENTITY_FORM, subjects=(SUBJECT, "somebody@example.org")),
    "certificate_whose_issuer_is_longer_than_it_says": _made(
        Refusal.IDENTITY_FORM, issuer_value=text_of(ISSUER) + b"x"
    ),
    "certificate_without_an_issuer": _made(Refusal.IDENTITY_FORM, says_issuer=False),
    "certificate_whose_issuer_has_no_type": _made(Refusal.IDENTITY_FORM, issuer_value=ISSUER.encode()),
    "certificate_that_says_no_issuer": _made(Refusal.IDENTITY_FORM, issuer=""),
    "subject_of_another_issuer": _made(Refusal.IDENTITY_ISSUER, issuer="https://issuer.example"),
    "workflow_of_another_branch": _made(Refusal.IDENTITY_SUBJECT, subjects=(OTHER_BRANCH,)),
    "workflow_whose_name_goes_on": _made(Refusal.IDENTITY_SUBJECT, subjects=(f"{SUBJECT}2",)),
    "subject_and_issuer_of_two_identities": _made(Refusal.IDENTITY_SUBJECT, subjects=("somebody@example.org",)),
    "certificate_without_an_entry": _changed(
        Refusal.LOG_COUNT, lambda document: _set(document["verificationMaterial"], tlogEntries=[])
    ),
    "certificate_with_two_entries": _changed(
        Refusal.LOG_COUNT, lambda document: _twice(document["verificationMaterial"]["tlogEntries"])
    ),
    "entry_of_another_log": _made(Refusal.LOG_PROOF, log=Log),
    "entry_whose_path_is_another_one": _entry(
        Refusal.LOG_PROOF, lambda entry: entry["inclusionProof"]["hashes"].reverse()
    ),
    "entry_whose_state_is_another_one": _entry(
        Refusal.LOG_PROOF,
        lambda entry: _set(
            entry["inclusionProof"]["checkpoint"],
            envelope=sigstore().log.add(b'{"kind": "dsse", "apiVersion": "0.0.1"}')["inclusionProof"]["checkpoint"][
                "envelope"
            ],
        ),
    ),
    "entry_whose_time_was_changed": _entry(
        Refusal.LOG_PROOF, lambda entry: _set(entry, integratedTime=str(int(entry["integratedTime"]) + 1))
    ),
    "entry_of_no_time": _entry(Refusal.LOG_TIME, lambda entry: _set(entry, integratedTime="0")),
    "entry_of_another_statement": _made(
        Refusal.LOG_OTHER, change_body=_body(lambda spec: _set(spec["payloadHash"], value="00" * 32))
    ),
    "entry_of_another_signature": _made(
        Refusal.LOG_OTHER, change_body=_body(lambda spec: _set(spec["signatures"][0], signature=b64(b"another")))
    ),
    "signature_of_another_certificate": _changed(Refusal.SIGNATURE_WRONG, _signature),
    "statement_swapped_beside_a_certificate": _changed(
        Refusal.SIGNATURE_WRONG,
        lambda document: _set(
            document["dsseEnvelope"],
            payload=b64(json.dumps(world.statement(predicateType="https://x.example")).encode()),
        ),
    ),
    "certificate_beside_a_key": _changed(
        Refusal.BUNDLE_FIELD, lambda document: _set(document["verificationMaterial"], publicKey={"hint": "x"})
    ),
    "two_signatures_beside_a_certificate": _changed(
        Refusal.SIGNATURE_COUNT,
        lambda document: _twice(document["dsseEnvelope"]["signatures"]),
    ),
}
