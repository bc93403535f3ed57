"""What lint found in an image: the gate is told, since to look again means to read every layer."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.declare.stage_file import LintDemand
from pipeline.release.checks.asked import Asked
from pipeline.release.gate_refusal import Gate, GateRefusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """How many findings there are in an image.

    Args:
        errors: of the severity error.
        warnings: of the severity warning.
    """

    errors: int
    warnings: int


def refusals_of(found: Findings | None, asked: Asked) -> Iterator[GateRefusal]:
    """Yield what keeps an image out.

    Args:
        found: what was found; None where nobody looked, which is no success.
        asked: what is asked of the image.
    """
    wanted, image = asked.policy.lint, asked.image.digest
    if wanted is LintDemand.NONE:
        return
    if found is None:
        yield _refusal(Gate.LINT_MISSING, f"nobody has looked what {image.short} should not hold", asked)
        return
    counts = found.errors + (found.warnings if wanted is LintDemand.WARNING else 0)
    if counts:
        yield _refusal(Gate.LINT_FOUND, f"lint has {counts} findings in {image.short}", asked)


def _refusal(code: Gate, what: str, asked: Asked) -> GateRefusal:
    command = f"seatrial lint {asked.suppliers.app}"
    return GateRefusal(code=code.value, what=what, who="whoever builds it can mend that", command=command)
