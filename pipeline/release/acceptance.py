"""``Acceptance``: that a stage took a release, by which policy and on which evidence.

It is a verification summary (VSA), with fields of ours that ``specs/predicates/acceptance.md`` describes.

Source: SLSA 1.1, verification_summary.md, "Fields" and "Verification of VSAs".
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from pipeline.release.attest import Statement, Subject
from pipeline.release.documents import require_fields, require_items, require_text
from pipeline.release.keyring import print_time, require_time
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import DigestError

PREDICATE = "https://slsa.dev/verification_summary/v1"
PROMOTER = "https://seatrial.dev/promoter/local/v1"
"""This program, on a machine that nobody but its user vouches for."""

POLICY = "https://seatrial.dev/policy/v1/"
"""What a policy is called; the name of its stage follows. Which one it is, its digest says."""

_OURS = "https://seatrial.dev/acceptance/"
_STAGE, _APP, _NUMBER, _PREVIOUS, _IMAGES, _EXPIRES = (
    f"{_OURS}{each}" for each in ("stage", "app", "number", "previous", "images", "expires")
)
_FIELDS = (
    *("verifier", "timeVerified", "resourceUri", "policy", "inputAttestations", "verificationResult"),
    *("verifiedLevels", _STAGE, _APP, _NUMBER, _PREVIOUS, _IMAGES, _EXPIRES),
)
_OF_AN_IMAGE = ("digest", "architecture", "config", "layers", "diffIds", "suite", "normalization", "hosts")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[^\s\x00-\x20\x7f]{1,500}", re.ASCII)
_MOST_NUMBER = 2**53 - 1  # what every reader of JSON keeps
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedHost:
    """A host on which an image behaved as it has to.

    Args:
        name: what people call it.
        digest: of its levels.
        behavior: the behavior digest there.
    """

    name: str
    digest: Digest
    behavior: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedImage:
    """One image of a release: the release itself, or one of an index.

    Args:
        digest: of its manifest.
        architecture: in Go's words.
        config: the digest of its config, which Docker calls its ID.
        layers: the digests of its layers, the lowest first.
        diff_ids: the digests of the layers' archives, likewise.
        suite: the suite digest: what was asked of it.
        normalization: under which its behavior was compared.
        hosts: on which it PASSED, the reference among them.
    """

    digest: Digest
    architecture: str
    config: Digest
    layers: tuple[Digest, ...]
    diff_ids: tuple[Digest, ...]
    suite: Digest
    normalization: Digest
    hosts: tuple[AcceptedHost, ...]

    def behavior(self, host: str) -> Digest | None:
        """Return the behavior digest on the host of a name; None where it was not asked for."""
        return next((each.behavior for each in self.hosts if each.name == host), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """That a stage took a release.

    Args:
        stage: its name.
        app: the app's.
        store: where the stage has its images: ``oci://REGISTRY/REPOSITORY``, or ``oci-layout:STAGE/APP``.
        release: the digest of the index, or of the only image.
        images: of the release, in the order of the index.
        number: rises by one with each release that enters the stage's store, rollbacks too; a deployment rests on it.
        previous: the release that was live before; None for the first.
        policy: the digest of what was demanded.
        inputs: the digests of the bundles that satisfied it, sorted.
        at: when, seconds since 1970.
        expires: from when it counts no more, likewise; None for never.
        version: of the promoter; empty where it is not installed.
    """

    stage: str
    app: str
    store: str
    release: Digest
    images: tuple[AcceptedImage, ...]
    number: int
    previous: Digest | None
    policy: Digest
    inputs: tuple[Digest, ...]
    at: int
    expires: int | None = None
    version: str = ""

    @property
    def levels(self) -> tuple[str, ...]:
        """What it says to those who know the levels of a summary alone: on how many hosts every image PASSED."""
        return (f"SEATRIAL_HOSTS_{min(len(each.hosts) for each in self.images)}",)

    def image(self, digest: Digest) -> AcceptedImage | None:
        """Return what is said of one image; None where nothing is."""
        return next((each for each in self.images if each.digest == digest), None)

    def statement(self) -> Statement:
        """Return the statement about the release and all of its images."""
        verifier: dict[str, Json] = {"id": PROMOTER}
        if self.version:
            verifier["version"] = {"seatrial": self.version}
        inputs: Sequence[Json] = [
            {"uri": f"{self.store}@{each}", "digest": {"sha256": each.hex}} for each in sorted(set(self.inputs))
        ]
        predicate: dict[str, Json] = {
            "verifier": verifier,
            "timeVerified": print_time(self.at),
            "resourceUri": self.store,
            "policy": {"uri": f"{POLICY}{self.stage}", "digest": {"sha256": self.policy.hex}},
            "inputAttestations": inputs,
            "verificationResult": "PASSED",
            "verifiedLevels": list(self.levels),
            _STAGE: self.stage,
            _APP: self.app,
            _NUMBER: self.number,
            _PREVIOUS: self.previous.text if self.previous else None,
            _IMAGES: [_image_to_json(each) for each in self.images],
            _EXPIRES: None if self.expires is None else print_time(self.expires),
        }
        subjects = tuple(Subject(name=self.app, digest=each) for each in _subjects(self))
        return Statement(subjects=subjects, predicate_type=PREDICATE, predicate=predicate)

    @classmethod
    def of(cls, statement: Statement) -> Self:
        """Return what a statement says. Whether its signer may say so, whoever reads it decides.

        Raises:
            RefusedEvidenceError: it is of another kind, no acceptance of ours, malformed, says FAILED, or names images
                of which it does not speak.
        """
        if statement.predicate_type != PREDICATE:
            message = f"the statement is of the type {statement.predicate_type}, and {PREDICATE} is wanted"
            raise RefusedEvidenceError(Refusal.PREDICATE_OTHER, message)
        try:
            found = cls._parsed(statement)
        except (ValueError, DigestError) as error:
            raise RefusedEvidenceError(Refusal.PREDICATE_FORM, f"the acceptance is malformed: {error}") from error
        if tuple(each.digest for each in statement.subjects) != _subjects(found):
            message = "the acceptance names other images than those of which it speaks"
            raise RefusedEvidenceError(Refusal.SUBJECT_OTHER, message)
        return found

    @classmethod
    def _parsed(cls, statement: Statement) -> Self:
        fields = _object(statement.predicate, "the acceptance", _FIELDS)
        verifier = _object(fields["verifier"], "verifier", ("id",), ("version",))
        if verifier["id"] != PROMOTER:
            raise ValueError(f"the verifier is {str(verifier['id'])[:80]!a}, not {PROMOTER}")
        if fields["verificationResult"] != "PASSED":
            raise ValueError(f"the result is {str(fields['verificationResult'])[:80]!a}, not PASSED")
        version = _object(verifier.get("version", {}), "version", (), ("seatrial",))
        stage, policy = require_text(fields[_STAGE], "stage"), _object(fields["policy"], "policy", ("uri", "digest"))
        if policy["uri"] != f"{POLICY}{stage}":
            raise ValueError(f"the policy is {str(policy['uri'])[:80]!a}, not that of {stage!a}")
        previous, expires = fields[_PREVIOUS], fields[_EXPIRES]
        found = cls(
            stage=stage,
            app=require_text(fields[_APP], "app"),
            store=_uri(fields["resourceUri"], "resourceUri"),
            release=statement.subjects[0].digest,
            images=_some(fields[_IMAGES], "images", _parse_image),
            number=_number(fields[_NUMBER]),
            previous=None if previous is None else _digest(previous, "previous"),
            policy=_sha256(policy["digest"], "policy"),
            inputs=_some(fields["inputAttestations"], "inputAttestations", _parse_input),
            at=require_time(fields["timeVerified"], "timeVerified"),
            expires=None if expires is None else require_time(expires, "expires"),
            version=require_text(version.get("seatrial", ""), "version"),
        )
        _require_once([each.digest for each in found.images], "an image")
        if len(found.images) > 1 and found.image(found.release):
            raise ValueError("the release is one of several images, and no index of them")
        if require_items(fields["verifiedLevels"], "verifiedLevels") != found.levels:
            raise ValueError(f"the levels are not {', '.join(found.levels)}, which its hosts are")
        return found


def _subjects(acceptance: Acceptance) -> tuple[Digest, ...]:
    """Return the release, then the images of an index: a verifier that has chosen one finds nothing otherwise."""
    return tuple(dict.fromkeys((acceptance.release, *(each.digest for each in acceptance.images))))


def _image_to_json(image: AcceptedImage) -> dict[str, Json]:
    return {
        "digest": image.digest.text,
        "architecture": image.architecture,
        "config": image.config.text,
        "layers": [each.text for each in image.layers],
        "diffIds": [each.text for each in image.diff_ids],
        "suite": image.suite.text,
        "normalization": image.normalization.text,
        "hosts": [
            {"name": each.name, "digest": each.digest.text, "behavior": each.behavior.text} for each in image.hosts
        ],
    }


def _parse_image(value: Json, what: str) -> AcceptedImage:
    found = _object(value, what, _OF_AN_IMAGE)
    hosts = _some(found["hosts"], f"hosts of {what}", _parse_host)
    _require_once([each.name for each in hosts], f"a host of {what}")
    return AcceptedImage(
        digest=_digest(found["digest"], f"{what}, digest"),
        architecture=require_text(found["architecture"], f"{what}, architecture"),
        config=_digest(found["config"], f"{what}, config"),
        layers=tuple(_digest(each, f"{what}, layers") for each in require_items(found["layers"], f"{what}, layers")),
        diff_ids=tuple(
            _digest(each, f"{what}, diffIds") for each in require_items(found["diffIds"], f"{what}, diffIds")
        ),
        suite=_digest(found["suite"], f"{what}, suite"),
        normalization=_digest(found["normalization"], f"{what}, normalization"),
        hosts=hosts,
    )


def _parse_host(value: Json, what: str) -> AcceptedHost:
    found = _object(value, what, ("name", "digest", "behavior"))
    return AcceptedHost(
        name=require_text(found["name"], f"{what}, name"),
        digest=_digest(found["digest"], f"{what}, digest"),
        behavior=_digest(found["behavior"], f"{what}, behavior"),
    )


def _parse_input(value: Json, what: str) -> Digest:
    found = _object(value, what, ("uri", "digest"))
    _uri(found["uri"], f"{what}, uri")
    return _sha256(found["digest"], what)


def _some(value: Json, what: str, parse: Callable[[Json, str], _Part]) -> tuple[_Part, ...]:
    """Return what a list holds; an empty one would stand for nothing that was checked."""
    found = tuple(parse(each, f"{what} {index}") for index, each in enumerate(require_items(value, what), 1))
    if not found:
        raise ValueError(f"{what} has nothing in it")
    return found


def _require_once(names: Sequence[Digest] | Sequence[str], what: str) -> None:
    if len(set(names)) != len(names):
        raise ValueError(f"{what} stands there twice")


def _object(value: Json, what: str, required: Sequence[str], optional: Sequence[str] = ()) -> Mapping[str, Json]:
    return require_fields(value, what, Refusal.PREDICATE_FORM, required=required, optional=optional)


def _digest(value: Json, what: str) -> Digest:
    return Digest(require_text(value, what))


def _sha256(value: Json, what: str) -> Digest:
    return Digest(f"sha256:{require_text(_object(value, f'{what}, digest', ('sha256',))['sha256'], what)}")


def _number(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST_NUMBER:
        raise ValueError("the number is not a whole one from 1")
    return value


def _uri(value: Json, what: str) -> str:
    text = require_text(value, what)
    if not _URI.fullmatch(text):
        raise ValueError(f"{what} is {text[:80]!a}, no URI")
    return text
