"""``Asked``: what a gate asks about one image, and what every statement about it has to agree with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from pipeline.release.acceptance import AcceptedImage
from pipeline.release.gate_evidence import Claim
from pipeline.release.gate_refusal import Suppliers
from pipeline.release.policy import DemandedHost, Policy
from pipeline.release.portability import HostWord, Portability
from runtime.digest import Digest
from runtime.oci.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What was asked of an image, and how it behaved: every statement that counts has to agree with it.

    Args:
        suite: the suite digest.
        normalization: under which behavior is compared.
        behavior: of the reference.
        hosts: a host's digest → the behavior there that a stage before took; empty at the first.
    """

    suite: Digest | None = None
    normalization: Digest | None = None
    behavior: Digest | None = None
    hosts: Mapping[Digest, Digest] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def by(cls, accepted: AcceptedImage | None, claims: Sequence[Claim[Portability]]) -> Self:
        """Return what was signed at the first stage, which each stage hands on.

        Where no stage took the image yet, the newest statement that came to a result has the word: a suite or an image
        that is verified anew makes older answers answers to another question.

        Args:
            accepted: what the stage before took; None at the first.
            claims: statements about the image, newest first.
        """
        if accepted is not None:
            return cls(
                suite=accepted.suite,
                normalization=accepted.normalization,
                behavior=accepted.behavior("reference"),
                hosts={each.digest: each.behavior for each in accepted.hosts},
            )
        newest = next((each.says for each in claims if each.says.behavior), None)
        if newest is None:
            return cls()
        return cls(suite=newest.suite, normalization=newest.normalization, behavior=newest.behavior)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked about one image.

    Args:
        policy: of the stage.
        image: the image.
        pinned: what statements have to agree with.
        now: seconds since 1970.
        suppliers: who could supply what is missing.
    """

    policy: Policy
    image: Image
    pinned: Pinned
    now: int
    suppliers: Suppliers


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What one statement says of one host that is demanded.

    Args:
        claim: the statement.
        says: its part about the host.
        host: which is demanded.
    """

    claim: Claim[Portability]
    says: HostWord
    host: DemandedHost
