"""Evidence that is refused, each for its reason; and each check disabled, under which it is not."""

import contextlib
import json
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[2] / "simulators"))

import evidence_world as world
from hostile_evidence import ATTACKS as EVIDENCE
from hostile_evidence import accept
from hostile_identities import IDENTITY_ATTACKS, taken
from hostile_keyrings import CURRENT, KEYRING_ATTACKS, TRUST, Trust, opened
from hostile_suites import SUITE_ATTACKS
from mutant import disabled

from pipeline.release.refusal import Refusal, RefusedEvidenceError

ATTEST = "pipeline.release.attest"
BUNDLE = "pipeline.release.bundle"
CERTIFICATE = "pipeline.release.certificate"
CERTIFIED = "pipeline.release.certified"
DOCUMENTS = "pipeline.release.documents"
JSON = "runtime.oci.document"
PUBLIC = "pipeline.release.public_key"
SIGNING = "pipeline.release.signing"

KEYRING = "pipeline.release.keyring"
FILE = "pipeline.release.keyring_file"
SUITE = "pipeline.release.suite_artifact"
QUESTION = "pipeline.release.suite_question"

ATTACKS = {**EVIDENCE, **IDENTITY_ATTACKS, **KEYRING_ATTACKS, **SUITE_ATTACKS}

NEVER = "if False:"
RAISED = "raise RefusedEvidenceError(Refusal.{}, message) from error"
UNVERIFIED = (
    CERTIFICATE,
    "verifier.verify_dsse(bundle, policy)",
    "policy.verify(bundle.signing_certificate), bundle._dsse_envelope._inner.payload",
)
"""Believe the certificate, and look at nothing that the library looks at."""
MUTANTS = {
    Refusal.JSON_SYNTAX: [
        (JSON, "except (json.JSONDecodeError, UnicodeDecodeError) as error:", "except ZeroDivisionError as error:")
    ],
    Refusal.JSON_DUPLICATE_KEY: [(JSON, "if key in found:", NEVER)],
    Refusal.JSON_DEPTH: [(JSON, "if depth > _DEPTH:", NEVER)],
    Refusal.JSON_NUMBER: [
        (JSON, "parse_float=lambda text: _no_number(text, what)", "parse_float=float"),
        (JSON, "parse_constant=lambda name: _no_number(name, what)", "parse_constant=float"),
        (JSON, "if len(text) > digits:", NEVER),
    ],
    Refusal.JSON_TYPE: [
        (JSON, "if not isinstance(value, dict):", NEVER),
        (DOCUMENTS, "if not isinstance(value, Mapping):", NEVER),
        (DOCUMENTS, "if not isinstance(value, str):", NEVER),
        (DOCUMENTS, "if not isinstance(value, list | tuple):", NEVER),
    ],
    Refusal.DOCUMENT_SIZE: [(JSON, "if len(raw) > DOCUMENT_LIMIT:", NEVER)],
    Refusal.BASE64: [
        (DOCUMENTS, "except ValueError as error:", "except ZeroDivisionError as error:"),
        (DOCUMENTS, "if encode_base64(content) != text:", NEVER),
    ],
    Refusal.BUNDLE_MEDIA_TYPE: [(BUNDLE, 'if document.get("mediaType") != MEDIA_TYPE:', NEVER)],
    Refusal.BUNDLE_FIELD: [(DOCUMENTS, "if missing or unknown:", NEVER)],
    Refusal.BUNDLE_CONTENT: [(BUNDLE, 'if "messageSignature" in document:', NEVER)],
    Refusal.BUNDLE_MATERIAL: [(BUNDLE, 'if not isinstance(value, Mapping) or "publicKey" not in value:', NEVER)],
    Refusal.BUNDLE_LOG: [
        (BUNDLE, 'if value.get("tlogEntries") or value.get("timestampVerificationData"):', NEVER),
        (BUNDLE, ' or value.get("timestampVerificationData")', ""),
    ],
    Refusal.PAYLOAD_TYPE: [(BUNDLE, 'if found["payloadType"] != PAYLOAD_TYPE:', NEVER)],
    Refusal.SIGNATURE_COUNT: [(BUNDLE, "if len(signatures) != 1:", NEVER)],
    Refusal.HINT_FORM: [(BUNDLE, "if not _HINT.fullmatch(hint):", NEVER)],
    Refusal.HINT_DISAGREES: [(BUNDLE, "if envelope.hint != hint:", NEVER)],
    Refusal.HINT_OTHER_KEY: [(SIGNING, "if key.id != envelope.hint:", NEVER)],
    Refusal.TRUST_ROOT_MISSING: [(CERTIFIED, "if not trust_root:", NEVER)],
    Refusal.TRUST_ROOT_FORM: [(CERTIFICATE, RAISED.format(Refusal.TRUST_ROOT_FORM.name), "raise")],
    Refusal.KEYLESS_MISSING: [(CERTIFIED, "except ImportError as error:", "except ZeroDivisionError as error:")],
    Refusal.CERTIFIED_FORM: [(CERTIFICATE, RAISED.format(Refusal.CERTIFIED_FORM.name), "raise")],
    Refusal.CERTIFICATE_CHAIN: [UNVERIFIED],
    Refusal.CERTIFICATE_TIME: [UNVERIFIED],
    Refusal.CERTIFICATE_LOG: [UNVERIFIED],
    Refusal.CERTIFICATE_PROFILE: [UNVERIFIED],
    Refusal.IDENTITY_FORM: [
        (CERTIFICATE, "if len(subjects) != 1 or names.get_values_for_type(OtherName):", NEVER),
        (CERTIFICATE, "if len(der) <= start or der[0]", "if False and der[0]"),
        (CERTIFICATE, "except ExtensionNotFound as error:", "except ZeroDivisionError as error:"),
    ],
    Refusal.IDENTITY_ISSUER: [(CERTIFICATE, "if said.issuer not in issuers:", NEVER)],
    Refusal.IDENTITY_SUBJECT: [(CERTIFICATE, "if said not in self._known:", NEVER)],
    Refusal.LOG_COUNT: [(BUNDLE, "if len(entries) != 1:", NEVER)],
    Refusal.LOG_PROOF: [UNVERIFIED],
    Refusal.LOG_TIME: [UNVERIFIED],
    Refusal.LOG_OTHER: [UNVERIFIED],
    Refusal.SIGNATURE_FORM: [
        (SIGNING, "if named not in fitting:", NEVER),
        (PUBLIC, "return len(signature) == 64", "return True"),
        (PUBLIC, "return 0 < one < _ORDER and 0 < two < _ORDER", "return True"),
    ],
    Refusal.SIGNATURE_WRONG: [
        (
            PUBLIC,
            "except InvalidSignature:\n            return False",
            "except InvalidSignature:\n            return True",
        ),
        UNVERIFIED,
    ],
    Refusal.SIGNATURE_UNKNOWN: [(SIGNING, "if named is None:", NEVER)],
    Refusal.STATEMENT_TYPE: [(ATTEST, 'if found["_type"] != TYPE:', NEVER)],
    Refusal.STATEMENT_FIELD: [(DOCUMENTS, "if missing or unknown:", NEVER)],
    Refusal.SUBJECT_COUNT: [(ATTEST, "if not 1 <= len(listed) <= _MOST_SUBJECTS:", NEVER)],
    Refusal.SUBJECT_FORM: [
        (DOCUMENTS, "if missing or unknown:", NEVER),
        (ATTEST, "if not isinstance(digests, Mapping) or len(digests) > _MOST_DIGESTS:", NEVER),
        (ATTEST, "if not isinstance(digits, str) or not _HEX.fullmatch(digits):", NEVER),
    ],
    Refusal.SUBJECT_OTHER: [(ATTEST, "if digest not in {each.digest for each in self.subjects}:", NEVER)],
    Refusal.PREDICATE_TYPE: [(ATTEST, "if not _URI.fullmatch(kind):", NEVER)],
    Refusal.PREDICATE_OTHER: [(ATTEST, "if self.predicate_type != predicate_type:", NEVER)],
    Refusal.PREDICATE_FORM: [(ATTEST, 'if not isinstance(found["predicate"], Mapping):', NEVER)],
    Refusal.SUITE_UNKNOWN: [(SUITE, "if signed.question is None:", NEVER)],
    Refusal.SUITE_MISSING: [
        (SUITE, "if not any(each.config and each.config.digest == signed.question for", "if not any(True for"),
        (SUITE, "except (StoreError, DigestError) as error:", "except ZeroDivisionError as error:"),
        (SUITE, "except StoreError as error:", "except ZeroDivisionError as error:"),
    ],
    Refusal.SUITE_FORM: [
        (QUESTION, "except (KeyError, TypeError,", "except (ZeroDivisionError,"),
        (QUESTION, "if not is_same:", NEVER),
        (QUESTION, "if (image, tree) not in {(each.image, each.suite) for each in variants}:", NEVER),
        (QUESTION, 'if {each.name for each in services} != suite["services"].keys():', NEVER),
    ],
    Refusal.SUITE_SUBJECT: [(SUITE, "if asked.image != signed.image:", NEVER)],
    Refusal.SUITE_UNSIGNED: [(SUITE, "if asked.suite.digest != signed.suite:", NEVER)],
    Refusal.SUITE_NORMALIZATION: [(SUITE, "if found.normalization.digest != signed.normalization:", NEVER)],
    Refusal.KEY_FORM: [
        (
            PUBLIC,
            'if len(pem) > _PEM_LIMIT or not is_one or not text.endswith(b"-----END PUBLIC KEY-----"):',
            NEVER,
        ),
        (PUBLIC, "except (ValueError, UnsupportedAlgorithm) as error:", "except ZeroDivisionError as error:"),
        (FILE, "except (ValueError, UnsupportedAlgorithm) as error:", "except ZeroDivisionError as error:"),
        (FILE, "if found.der != der:", NEVER),
    ],
    Refusal.KEYRING_FORM: [(FILE, "except ValueError as error:", "except ZeroDivisionError as error:")],
    Refusal.KEYRING_DUPLICATE: [
        (FILE, "if len(set(each)) != len(each):", NEVER),
        (FILE, "for each in (names, ", "for each in ("),
        (FILE, "list(keyring.keys), ", ""),
        (FILE, "list(keyring.identities), ", ""),
        (FILE, ", list(keyring.roots.keys)):", ",):"),
    ],
    Refusal.KEYRING_REPLACED: [
        (FILE, "if each.replaced_by and each.replaced_by not in last:", NEVER),
        (FILE, "in keyring.holders if not each.replaced_by}", "in keyring.holders}"),
    ],
    Refusal.KEYRING_ROOTS: [
        (FILE, "if not found.is_complete:", NEVER),
        (FILE, "return len(self.signers) >= self.keyring.roots.threshold", "return len(self.signers) >= 1"),
        (
            FILE,
            "return tuple(each for each in self.keyring.roots.keys if self.is_signed_by(each))",
            "return tuple(each for each in self.keyring.roots.keys if each.id in self.signatures)",
        ),
    ],
    Refusal.KEYRING_UNTRUSTED: [
        (FILE, "if trust.roots and trusted < trust.threshold:", NEVER),
        (FILE, "trusted < trust.threshold:", "trusted < 1:"),
    ],
    Refusal.KEYRING_EXPIRED: [
        (FILE, "if now >= found.keyring.expires:", NEVER),
        (FILE, "if now >= found.keyring.expires:", "if now > found.keyring.expires:"),
    ],
    Refusal.KEYRING_OLDER: [(FILE, "if version < trust.version:", NEVER)],
    Refusal.KEYRING_CHANGED: [(FILE, "if version == trust.version and found.digest != trust.digest:", NEVER)],
    Refusal.KEY_UNKNOWN: [
        (
            KEYRING,
            "if found is None:\n            hint = ",
            "if False:\n            hint = ",
        )
    ],
    Refusal.KEY_REVOKED: [(KEYRING, "if revocation is not None:", NEVER)],
    Refusal.KEY_ROLE: [(KEYRING, "if not wanted & found.roles:", NEVER)],
    Refusal.KEY_NOT_YET: [(KEYRING, "if at < found.since:", NEVER)],
    Refusal.KEY_EXPIRED: [
        (KEYRING, "if at >= found.until:", NEVER),
        (KEYRING, "if at >= found.until:", "if at > found.until:"),
    ],
    Refusal.SUBJECT_REVOKED: [
        (
            KEYRING,
            'if found is not None:\n            message = f"the image',
            'if False:\n            message = f"the image',
        )
    ],
    Refusal.KEY_KIND: [(PUBLIC, " if isinstance(key.curve, ec.SECP256R1)", "")],
}
"""Reason → the checks that give it: module, what the check reads, and what it reads where it is disabled."""

CERTIFICATES = [reason for reason, mutants in MUTANTS.items() if mutants == [UNVERIFIED]]

CHECKS = [(reason, number) for reason, mutants in MUTANTS.items() for number in range(len(mutants))]


@pytest.mark.bar("6 hostile evidence")
@pytest.mark.parametrize("name", ATTACKS)
def test_evidence_is_refused_with_its_code(name):
    with pytest.raises(RefusedEvidenceError) as refused:
        ATTACKS[name].attempt()
    assert refused.value.reason is ATTACKS[name].reason, refused.value.message
    assert refused.value.message.endswith(f"[{ATTACKS[name].reason}]")
    assert refused.value.message.isprintable()


@pytest.mark.bar("6 evidence mutants")
@pytest.mark.parametrize(("reason", "number"), CHECKS, ids=[f"{reason}-{number}" for reason, number in CHECKS])
def test_evidence_is_not_refused_as_before_without_its_check(reason, number):
    found = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(disabled(*MUTANTS[reason][number]))
        for name, each in ATTACKS.items():
            if each.reason is reason:
                found[name] = _verdict(each)
    assert {name for name, why in found.items() if why is not reason}, found


def test_every_reason_has_a_mutant_and_an_attack():
    assert {each.reason for each in ATTACKS.values()} == set(MUTANTS) == set(Refusal)


def test_page_of_evidence_has_every_code_and_no_other_one():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "evidence.md").read_text(encoding="utf-8")
    rows = page.partition("| code | what is refused |")[2].partition("\n\n")[0].splitlines()
    assert {code for row in rows if row for code in re.findall("`([^`]+)`", row.split("|")[1])} == set(Refusal)


def test_the_bundle_that_attacks_change_is_accepted():
    for key in (world.ALICE, world.BOB):
        assert accept(json.dumps(world.bundle(key=key)).encode()).key == world.public(key)


def test_the_bundle_with_a_certificate_that_attacks_change_is_accepted():
    assert taken().key.subject == "https://github.com/acme/web/.github/workflows/release.yml@refs/heads/main"


@pytest.mark.parametrize("reason", [*CERTIFICATES, Refusal.IDENTITY_SUBJECT])
def test_certificate_is_believed_where_nothing_looks_at_it(reason):
    with disabled(*MUTANTS[reason][0]):
        assert [_verdict(each) for each in IDENTITY_ATTACKS.values() if each.reason is reason].count(None)


def test_the_keyring_that_attacks_change_is_accepted():
    trust = Trust(roots=TRUST.roots, version=3, digest=CURRENT)
    for each in (TRUST, Trust(), trust):
        assert opened(trust=each).digest == CURRENT


def _verdict(attack):
    try:
        attack.attempt()
    except RefusedEvidenceError as error:
        return error.reason
    except Exception as error:  # noqa: BLE001 - without a check, whatever stood behind it
        return type(error).__name__
    return None
