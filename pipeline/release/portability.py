"""``Portability``: what a verifier signed of all hosts, read again; see ``specs/predicates/portability.md``.

Nothing is believed here but the form: what a statement says of itself, whoever counts on it compares.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self, TypeVar

from pipeline.release.attest import Statement
from pipeline.release.documents import require_fields, require_items, require_text
from pipeline.release.keyring import require_time
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from pipeline.release.verdicts import PORTABILITY, VERIFIER
from pipeline.verify.verdict import State, VerdictWord
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.errors import DigestError
from runtime.outcome import Fidelity

_FIELDS = (
    *("verdict", "headline", "image", "suite", "lock", "behavior", "normalization", "unstable", "hermetic"),
    *("hosts", "ignored", "verifier", "verifiedOn"),
)
_OF_A_HOST = (
    *("name", "digest", "factors", "state", "verdict", "behavior", "tests", "runs", "fidelity", "emulated"),
    *("evidence", "ambient", "sandbox", "differences", "more"),
)
_LATER = ("question",)
"""Fields that statements of an earlier version lack."""

_OF_A_DIFFERENCE = ("kind", "id", "reference", "here", "cause", "ignored")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A difference that a statement tells of.

    Args:
        id: of the behavior that differs.
        cause: the state of its cause; empty where none was looked for.
        ignored: the reason of the rule that accepts it; empty where none does.
    """

    id: str
    cause: str
    ignored: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWord:
    """What a statement says of one host.

    Args:
        name: what people call it.
        digest: of its levels, as the statement says.
        factors: those levels.
        state: what became of it.
        verdict: what that means for the image.
        behavior: the behavior digest there; None if nothing ran.
        tests: outcome → how many.
        runs: how many runs this rests on.
        fidelity: the least of its levels, as the statement says.
        emulated: the factors whose levels were emulated.
        evidence: factor → what was found in effect.
        ambient: facts of the machine that no factor sets.
        differences: the first of them.
        more: how many follow those.
    """

    name: str
    digest: Digest
    factors: Mapping[str, str]
    state: State
    verdict: VerdictWord
    behavior: Digest | None
    tests: Mapping[str, int]
    runs: int
    fidelity: Fidelity
    emulated: tuple[str, ...]
    evidence: Mapping[str, str]
    ambient: Mapping[str, str]
    differences: tuple[Said, ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Portability:
    """What a verifier says of an image.

    Args:
        image: the digest of its manifest.
        verdict: the worst of the hosts'.
        config: the digest of its config.
        layers: the digests of its layers, the lowest first.
        diff_ids: the digests of the layers' archives, likewise.
        architecture: in Go's words.
        suite: what was asked of it.
        question: the digest of the document by which it can be asked again; None where nobody can.
        behavior: the reference's; None if it did not run to its end.
        normalization: what was learned to be unstable there; None likewise.
        unstable: the ids that were.
        hermetic: whether the suite could not reach beyond its own network.
        hosts: the reference first.
        at: when, seconds since 1970.
    """

    image: Digest
    verdict: VerdictWord
    config: Digest
    layers: tuple[Digest, ...]
    diff_ids: tuple[Digest, ...]
    architecture: str
    suite: Digest
    question: Digest | None
    behavior: Digest | None
    normalization: Digest | None
    unstable: tuple[str, ...]
    hermetic: bool
    hosts: tuple[HostWord, ...]
    at: int

    @classmethod
    def of(cls, statement: Statement) -> Self:
        """Return what a statement says. Whether its signer may say so, whoever reads it decides.

        Raises:
            RefusedEvidenceError: it is of another kind, about several images, or malformed.
        """
        if statement.predicate_type != PORTABILITY:
            message = f"the statement is of the type {statement.predicate_type}, and {PORTABILITY} is wanted"
            raise RefusedEvidenceError(Refusal.PREDICATE_OTHER, message)
        if len(statement.subjects) != 1:
            message = f"a verdict is of one image, and this names {len(statement.subjects)}"
            raise RefusedEvidenceError(Refusal.SUBJECT_COUNT, message)
        try:
            return cls._parsed(statement)
        except (ValueError, DigestError) as error:
            raise RefusedEvidenceError(Refusal.PREDICATE_FORM, f"the verdict is malformed: {error}") from error

    @classmethod
    def _parsed(cls, statement: Statement) -> Self:
        fields = require_fields(
            statement.predicate, "the verdict", Refusal.PREDICATE_FORM, required=_FIELDS, optional=_LATER
        )
        image = _object(fields["image"], "image", ("config", "layers", "diffIds", "architecture"))
        verifier = require_fields(
            fields["verifier"], "verifier", Refusal.PREDICATE_FORM, required=("id",), optional=("version",)
        )
        if verifier["id"] != VERIFIER:
            raise ValueError(f"the verifier is {str(verifier['id'])[:80]!a}, not {VERIFIER}")
        _optional_digest(fields["lock"], "lock")
        if fields["behavior"] is not None and fields["normalization"] is None:
            raise ValueError("it tells a behavior, and not under which normalization")
        return cls(
            image=statement.subjects[0].digest,
            verdict=VerdictWord(require_text(fields["verdict"], "verdict")),
            config=_digest(image["config"], "config"),
            layers=_all(image["layers"], "layers", _digest),
            diff_ids=_all(image["diffIds"], "diffIds", _digest),
            architecture=require_text(image["architecture"], "architecture"),
            suite=_digest(fields["suite"], "suite"),
            question=_optional_digest(fields.get("question"), "question"),
            behavior=_optional_digest(fields["behavior"], "behavior"),
            normalization=_optional_digest(fields["normalization"], "normalization"),
            unstable=_all(fields["unstable"], "unstable", require_text),
            hermetic=_switch(fields["hermetic"], "hermetic"),
            hosts=_hosts(fields["hosts"]),
            at=require_time(fields["verifiedOn"], "verifiedOn"),
        )


def _hosts(value: Json) -> tuple[HostWord, ...]:
    found = _all(value, "hosts", _host)
    if len({each.name for each in found}) != len(found):
        raise ValueError("a host stands there twice")
    return found


def _host(value: Json, what: str) -> HostWord:
    found = _object(value, what, _OF_A_HOST)
    what = f"host {require_text(found['name'], what)[:80]!a}"
    _optional_digest(found["sandbox"], f"{what}, sandbox")
    return HostWord(
        name=require_text(found["name"], what),
        digest=_digest(found["digest"], f"{what}, digest"),
        factors=_texts(found["factors"], f"{what}, factors"),
        state=State(require_text(found["state"], f"{what}, state")),
        verdict=VerdictWord(require_text(found["verdict"], f"{what}, verdict")),
        behavior=_optional_digest(found["behavior"], f"{what}, behavior"),
        tests=_mapping(found["tests"], f"{what}, tests", _count),
        runs=_count(found["runs"], f"{what}, runs"),
        fidelity=Fidelity(require_text(found["fidelity"], f"{what}, fidelity")),
        emulated=_all(found["emulated"], f"{what}, emulated", require_text),
        evidence=_texts(found["evidence"], f"{what}, evidence"),
        ambient=_texts(found["ambient"], f"{what}, ambient"),
        differences=_all(found["differences"], f"{what}, differences", _difference),
        more=_count(found["more"], f"{what}, more"),
    )


def _difference(value: Json, what: str) -> Said:
    found = _object(value, what, _OF_A_DIFFERENCE)
    cause = found["cause"]
    state = "" if cause is None else _object(cause, f"{what}, cause", ("state", "factors"))["state"]
    return Said(
        id=require_text(found["id"], what),
        cause=require_text(state, f"{what}, cause"),
        ignored=require_text(found["ignored"], f"{what}, ignored"),
    )


def _object(value: Json, what: str, required: tuple[str, ...]) -> Mapping[str, Json]:
    return require_fields(value, what, Refusal.PREDICATE_FORM, required=required)


def _all(value: Json, what: str, parse: Callable[[Json, str], _Value]) -> tuple[_Value, ...]:
    return tuple(parse(each, f"{what} {index}") for index, each in enumerate(require_items(value, what), 1))


def _mapping(value: Json, what: str, parse: Callable[[Json, str], _Value]) -> Mapping[str, _Value]:
    if not isinstance(value, Mapping):
        raise RefusedEvidenceError(Refusal.JSON_TYPE, f"{what} is no object")
    return {key: parse(each, what) for key, each in value.items()}


def _texts(value: Json, what: str) -> Mapping[str, str]:
    return _mapping(value, what, require_text)


def _digest(value: Json, what: str) -> Digest:
    return Digest(require_text(value, what))


def _optional_digest(value: Json, what: str) -> Digest | None:
    return None if value is None else _digest(value, what)


def _count(value: Json, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{what} is no count")
    return value


def _switch(value: Json, what: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{what} is neither true nor false")  # noqa: TRY004 - as all that is malformed
    return value
