"""What a statement has to be as a whole, before what it says of a host counts."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from pipeline.release.checks.asked import Asked
from pipeline.release.gate_evidence import Claim
from pipeline.release.gate_refusal import Gate, GateRefusal
from pipeline.release.portability import Portability
from pipeline.verify.verdict import State, VerdictWord
from runtime.digest import Digest
from runtime.oci.descriptor import Descriptor

_ORDER = (VerdictWord.PASSED, VerdictWord.INCONCLUSIVE, VerdictWord.FAILED)


def refusals_of(claim: Claim[Portability], asked: Asked) -> Iterator[GateRefusal]:
    """Yield why a statement does not count, whatever it says of hosts."""
    names = tuple(each.name for each in asked.policy.hosts)
    for code, check in CHECKS.items():
        problem = check(claim.says, asked)
        if problem:
            what = f"the verdict of {claim.holder.name} ({claim.bundle.short}) does not count: {problem}"
            yield asked.suppliers.verified(code, what, names)


def _image(says: Portability, asked: Asked) -> str:
    image = asked.image
    config = Descriptor.parse(image.manifest.get("config"), f"config of {image.digest}").digest
    layers = tuple(each.descriptor.digest for each in image.layers)
    if (says.config, says.layers, says.diff_ids) != (config, layers, image.diff_ids):
        return "it tells of another config or other layers than the image has"
    return ""


def _verdict(says: Portability, asked: Asked) -> str:  # noqa: ARG001 - as every check
    worst = max((each.verdict for each in says.hosts), key=_ORDER.index, default=VerdictWord.INCONCLUSIVE)
    if _ORDER.index(says.verdict) < _ORDER.index(worst):
        return f"it says {says.verdict}, and {worst} of a host"
    if [each.state is State.REFERENCE for each in says.hosts] != [True, *[False] * (len(says.hosts) - 1)]:
        return "its first host, and no other, has to be the reference"
    return ""


def _suite(says: Portability, asked: Asked) -> str:
    if says.suite != asked.pinned.suite:
        return f"another suite was asked, {says.suite.short}, and {_short(asked.pinned.suite)} is wanted"
    return ""


def _normalization(says: Portability, asked: Asked) -> str:
    if says.normalization != asked.pinned.normalization:
        wanted = _short(asked.pinned.normalization)
        return f"it compares under the normalization {_short(says.normalization)}, and {wanted} was signed first"
    return ""


def _behavior(says: Portability, asked: Asked) -> str:
    if says.behavior != asked.pinned.behavior:
        wanted = _short(asked.pinned.behavior)
        return f"the reference behaved as {_short(says.behavior)}, and {wanted} was signed before"
    return ""


def _unstable(says: Portability, asked: Asked) -> str:
    count, most = len(set(says.unstable)), asked.policy.unstable
    if count > most:
        return f"{count} tests are unstable on the reference, and at most {most} may be"
    return ""


def _stable(says: Portability, asked: Asked) -> str:  # noqa: ARG001 - as every check
    if says.hosts and len(set(says.unstable)) >= sum(says.hosts[0].tests.values()):
        return "every test is unstable on the reference, so nothing was compared"
    return ""


def _hermetic(says: Portability, asked: Asked) -> str:
    if asked.policy.hermetic and not says.hermetic:
        return "its suite could reach beyond its own network"
    return ""


def _short(digest: Digest | None) -> str:
    return digest.short if digest else "none"


CHECKS: Mapping[Gate, Callable[[Portability, Asked], str]] = MappingProxyType(
    {
        Gate.IMAGE_OTHER: _image,
        Gate.VERDICT_FORGED: _verdict,
        Gate.SUITE_OTHER: _suite,
        Gate.NORMALIZATION_OTHER: _normalization,
        Gate.BEHAVIOR_OTHER: _behavior,
        Gate.UNSTABLE: _unstable,
        Gate.NOTHING_STABLE: _stable,
        Gate.NOT_HERMETIC: _hermetic,
    }
)
"""Code → the check, which returns what is wrong, or nothing."""
