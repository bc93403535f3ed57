"""On every host that is demanded an image has to have PASSED: by enough signers, and with no FAILED since."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.release.acceptance import AcceptedHost
from pipeline.release.checks import statements, words
from pipeline.release.checks.asked import Asked, Word
from pipeline.release.gate_evidence import Claim
from pipeline.release.gate_refusal import Gate, GateRefusal
from pipeline.release.keyring import print_time
from pipeline.release.policy import DemandedHost
from pipeline.release.portability import Portability
from pipeline.verify.verdict import State, VerdictWord
from runtime.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of one host.

    Args:
        host: as an acceptance has it; None where the gate stays shut.
        inputs: the bundles that were counted on.
        refusals: why it stays shut; empty where it does not.
    """

    host: AcceptedHost | None = None
    inputs: tuple[Digest, ...] = ()
    refusals: tuple[GateRefusal, ...] = ()


def judge_hosts(claims: Sequence[Claim[Portability]], asked: Asked) -> Iterator[Judged]:
    """Yield what became of each host that is demanded.

    Args:
        claims: the statements about the image that are signed by those who may, newest first.
        asked: what is asked of it.
    """
    problems = {claim.bundle: tuple(statements.refusals_of(claim, asked)) for claim in claims}
    for host in asked.policy.hosts:
        said = list(_words(claims, host))
        refusals = [(*problems[word.claim.bundle], *words.refusals_of(word, asked)) for word in said]
        good = [word for word, found in zip(said, refusals, strict=True) if not found]
        counted = list(_since_failed(good, said, asked))
        agreed, enough = _agreed(counted), asked.policy.threshold
        if good and not counted:
            yield Judged(refusals=(_failed(host, said, asked),))
        elif _signers(agreed) >= enough:
            behavior = _behavior(agreed)
            accepted = AcceptedHost(name=host.name, digest=host.digest, behavior=behavior) if behavior else None
            yield Judged(host=accepted, inputs=tuple(word.claim.bundle for word in agreed))
        elif _signers(counted) >= enough:
            yield Judged(refusals=(_differ(host, counted, agreed, asked),))
        else:
            told = [each for found in refusals for each in found]
            yield Judged(refusals=tuple(_lacking(host, counted, claims, told, asked)))


def _words(claims: Sequence[Claim[Portability]], host: DemandedHost) -> Iterator[Word]:
    """Yield what statements say of a host: the digest is what names it, whatever it is called."""
    for claim in claims:
        for says in claim.says.hosts:
            if says.digest == host.digest:
                yield Word(claim=claim, says=says, host=host)


def _failures(said: Sequence[Word], asked: Asked) -> list[Word]:
    """Return every FAILED of the same question, newest first: whoever says it may sign, so it is heard."""
    return [
        word for word in said if word.says.verdict is VerdictWord.FAILED and word.claim.says.suite == asked.pinned.suite
    ]


def _since_failed(good: Sequence[Word], said: Sequence[Word], asked: Asked) -> Iterator[Word]:
    """Yield what was PASSED after the newest FAILED; a FAILED of the same second counts as the newer one."""
    failed = max((word.claim.at for word in _failures(said, asked)), default=None)
    for word in good:
        if failed is None or word.claim.at > failed:
            yield word


def _agreed(counted: Sequence[Word]) -> list[Word]:
    """Return the words of those signers whose newest word tells the behavior that the newest of all tells."""
    newest = {word.claim.holder.person: word for word in reversed(counted)}
    behavior = _behavior(counted)
    return [word for word in counted if _tells(newest[word.claim.holder.person], behavior)]


def _behavior(counted: Sequence[Word]) -> Digest | None:
    """Return the behavior that the newest word tells; where a host is flaky, what it did that time is none of it."""
    stable = [word for word in counted if word.says.state is not State.FLAKY]
    return next((word.says.behavior for word in (*stable, *counted)), None)


def _tells(word: Word, behavior: Digest | None) -> bool:
    return word.says.state is State.FLAKY or word.says.behavior == behavior


def _signers(counted: Sequence[Word]) -> int:
    return len({word.claim.holder.person for word in counted})


def _differ(host: DemandedHost, counted: Sequence[Word], agreed: Sequence[Word], asked: Asked) -> GateRefusal:
    names = ", ".join(sorted({word.claim.holder.person for word in counted}))
    what = (
        f"{host.name}: {names} say PASSED of different behaviors, and {asked.policy.threshold} signers "
        f"have to have seen one; {_signers(agreed)} saw the newest"
    )
    return asked.suppliers.verified(Gate.SIGNERS_DIFFER, what, (host.name,), fresh=True)


def _failed(host: DemandedHost, said: Sequence[Word], asked: Asked) -> GateRefusal:
    newest = _failures(said, asked)[0].claim
    what = f"{host.name}: {newest.holder.name} says FAILED since, at {print_time(newest.at)}"
    return asked.suppliers.verified(Gate.FAILED_SINCE, what, (host.name,), fresh=True)


def _lacking(
    host: DemandedHost,
    counted: Sequence[Word],
    claims: Sequence[Claim[Portability]],
    told: Sequence[GateRefusal],
    asked: Asked,
) -> Iterator[GateRefusal]:
    """Yield what is missing: a statement, a signer, or what keeps the statements that are there from counting."""
    yield from told
    names = sorted({word.claim.holder.person for word in counted})
    if names:
        wanted = asked.policy.threshold
        what = f"{host.name}: {wanted} signers have to say PASSED, and {len(names)} did: {', '.join(names)}"
        yield asked.suppliers.verified(Gate.SIGNERS, what, (host.name,))
    elif not told:
        others = {says.digest for claim in claims for says in claim.says.hosts if says.name == host.name}
        if others:
            found, meant = min(others).short, host.digest.short
            what = f"{host.name}: what was verified under this name is {found}, and this stage means {meant}"
            yield asked.suppliers.verified(Gate.HOST_OTHER, what, (host.name,))
        else:
            what = f"{host.name}: nobody who may says that {asked.image.digest.short} PASSED there"
            yield asked.suppliers.verified(Gate.HOST_MISSING, what, (host.name,))
