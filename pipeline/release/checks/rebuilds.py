"""How many others have built an image again, and got the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from pipeline.declare.stage_file import Trust
from pipeline.release.checks.asked import Asked
from pipeline.release.gate_evidence import Claim, Origin
from pipeline.release.gate_refusal import Gate, GateRefusal
from pipeline.release.rebuild import Rebuild, Result
from runtime.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Builders:
    """Who built one image.

    Args:
        known: the names of those who may say so, and do; see ``Holder.person``.
        claimed: those and of whoever else says so, of the image or of the whole release: none of them is another.
        problems: why somebody may not say so.
    """

    known: frozenset[str]
    claimed: frozenset[str]
    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, origins: Sequence[Origin], image: Digest, release: Digest) -> Self:
        """Return who built an image of a release, by what all of them say."""
        own = [each for each in origins if image in each.about]
        return cls(
            known=frozenset(each.person for each in own if not each.problem),
            claimed=frozenset(each.person for each in origins if each.about & {image, release}),
            problems=tuple(each.problem for each in own if each.problem),
        )


def counted(claims: Sequence[Claim[Rebuild]], asked: Asked, builders: Builders) -> list[Claim[Rebuild]]:
    """Return the rebuilds that count, one of each signer.

    Args:
        claims: the rebuilds that are signed by those who may.
        asked: what is asked of the image.
        builders: of the image. They are no others, except where this machine's key is the only one.
    """
    found = {
        claim.holder.person: claim
        for claim in claims
        if claim.says.image == asked.image.digest
        and claim.says.result is Result.REPRODUCED
        and not _is_own(claim, asked, builders)
    }
    return list(found.values())


def refusals_of(claims: Sequence[Claim[Rebuild]], asked: Asked, builders: Builders) -> Iterator[GateRefusal]:
    """Yield what is missing; see ``counted``."""
    wanted, others = asked.policy.rebuilders, counted(claims, asked, builders)
    if wanted and asked.policy.trust is Trust.KEYRING and not builders.known:
        # Whoever may write beside the image may delete that; then the builder itself would count as another.
        what = f"nobody who may says who built {asked.image.digest.short}, so nobody is known to be another"
        what += f" ({builders.problems[0]})" if builders.problems else ""
        who = "whoever built it has signed that, and can put it beside the image again"
        yield GateRefusal(code=Gate.REBUILDER_BUILDER.value, what=what, who=who)
    if len(others) >= wanted:
        return
    what = f"{wanted} signers have to have built {asked.image.digest.short} again, and {len(others)} did"
    yield asked.suppliers.rebuilt(Gate.REBUILDERS, what)
    own = [claim for claim in claims if claim.says.image == asked.image.digest and _is_own(claim, asked, builders)]
    if own:
        what = f"{own[0].holder.name} built the image and built it again: the same signer is no other"
        yield asked.suppliers.rebuilt(Gate.REBUILDER_BUILDER, what)


def inputs(claims: Sequence[Claim[Rebuild]], asked: Asked, builders: Builders) -> tuple[Digest, ...]:
    """Return the bundles that are counted on; none where none is asked for."""
    return tuple(claim.bundle for claim in counted(claims, asked, builders)) if asked.policy.rebuilders else ()


def _is_own(claim: Claim[Rebuild], asked: Asked, builders: Builders) -> bool:
    return asked.policy.trust is Trust.KEYRING and claim.holder.person in builders.claimed
