"""JSON Schema of the verdict, for programs that read ``verify --json`` or ``report.json``: made from these types.

``python -m pipeline.report.schema --write | --check``. ``pipeline.report.json`` writes the document and
``pipeline.report.saved`` reads it; neither uses these types, and tests hold all three together. What is required is
what every report has, older ones included; what came later has a default. No object is closed: it may get more fields.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from pipeline.declare.schema import to_draft07, write_or_check
from pipeline.report.json import SCHEMA
from pipeline.verify.compare import Kind
from pipeline.verify.explain import CauseState
from pipeline.verify.notes import NoteKind
from pipeline.verify.verdict import State, VerdictWord
from runtime.outcome import Fidelity

NAME = "verdict.schema.json"

Sha256: TypeAlias = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Seconds: TypeAlias = Annotated[float, Field(ge=0)]
Levels: TypeAlias = dict[str, str]
Outcomes: TypeAlias = dict[str, Count]


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class RateFields(_Open):
    """How often a behavior other than the reference's was seen."""

    failed: Count = Field(description="How often it was seen.")
    of: Count = Field(description="In how many runs.")
    low: str = Field(description="The lower end of the exact 95 % interval of the rate, as decimal text.")
    high: str = Field(description="The upper end of that interval.")


class CauseFields(_Open):
    """What makes a difference appear."""

    factors: Levels = Field(description="Factor and level, the smallest set; empty unless one was found.")
    state: CauseState = Field(
        description="CAUSED by `factors`; FLAKY: no host is to blame; INCONCLUSIVE: see `reason`."
    )
    confirmed: bool = Field(description="Whether reruns showed that the host behaves differently, whatever the cause.")
    runs: Count = Field(description="How many runs the counts rest on.")
    p_value: str = Field(description="Of the counts, as decimal text; empty without counts.")
    test: str = Field(description="The name of the statistical test.")
    with_: RateFields | None = Field(alias="with", description="How often the difference was seen under `factors`.")
    without: RateFields | None = Field(description="How often it was seen on the reference.")
    removed: dict[str, RateFields] = Field(
        default={}, description="Factor, and how often the difference was seen with all other `factors` but it."
    )
    cleared: list[str] = Field(description="The host's other factors, shown to be innocent.")
    alternatives: list[Levels] = Field(description="Other sets of levels that make the same difference appear.")
    file: str = Field(description="Where the test fails; may be empty.")
    line: int = Field(description="The line in `file`, from 1; 0 if unknown.")
    hint: str = Field(description="The likely fix; may be empty.")
    reason: str = Field(description="Why nothing was found, for INCONCLUSIVE.")
    predicted: dict[str, list[str]] = Field(
        default={}, description="Factor, and the signs that made it likely before its level was tried. No evidence."
    )


class DifferenceFields(_Open):
    """One behavior that differs from the reference's."""

    kind: Kind = Field(description="What kind of behavior.")
    id: str = Field(description="The test's id, the artifact's path, the stream's name; `exit` for the exit.")
    reference: str = Field(description="The reference's side: an outcome, `exit 0`, a digest, `missing`.")
    here: str = Field(description="This host's side, in the same words.")
    message: str = Field(description="What says most of it; may be empty.")
    file: str = Field(description="Where the test failed, relative to the working folder; may be empty.")
    line: int = Field(description="The line in `file`, from 1; 0 if unknown.")
    cut: bool = Field(default=False, description="Whether a test is missing as the run was cut off in it.")
    cause: CauseFields | None = Field(description="What reruns said; null if there were none.")
    reproduce: str = Field(description="One command line, quoted for a shell; empty if there is none.")
    ignored: str = Field(description="The reason of the rule that accepts it; empty if none does.")


class NoteFields(_Open):
    """A trace that differs. No verdict rests on it."""

    kind: NoteKind = Field(description="What kind of trace.")
    text: str = Field(description="One sentence.")


class DeniedFields(_Open):
    """A system call that the filter denied."""

    call: str = Field(description="Its name, or its number.")
    errno: str = Field(description="By which it failed.")
    count: Count = Field(description="How often.")


class AttemptFields(_Open):
    """A destination that a program named to the kernel."""

    address: str = Field(description="IPv4 or IPv6.")
    port: Count = Field(description="Of TCP or UDP.")
    count: Count = Field(description="How often.")


class CallsFields(_Open):
    """System calls that a run's filter told of."""

    denied: list[DeniedFields] = Field(description="Those that it denied.")
    attempts: list[AttemptFields] = Field(description="Destinations beyond the loopback interface.")
    is_whole: bool = Field(description="False if there was more than is counted.")


class LookupFields(_Open):
    """A name whose address a program asked for."""

    name: str = Field(description="As it asked.")
    count: Count = Field(description="How many datagrams asked for it.")


class NetworkFields(_Open):
    """How a run tried to reach beyond itself."""

    lookups: list[LookupFields] = Field(description="Names that it asked for.")
    unroutable: Count = Field(description="How often it had no route to a destination.")


class EndingFields(_Open):
    """How a process ended that outlived the suite."""

    name: str = Field(description="Of the service; of a process that was left, its own.")
    is_service: bool = Field(description="Whether it is a service.")
    exit_code: int | None = Field(description="Its own; null if a signal ended it.")
    signal: int | None = Field(description="That signal, or null.")
    is_killed: bool = Field(description="Whether it was killed.")
    duration: int = Field(description="Milliseconds from SIGTERM to its end; -1 if it was not asked.")


class HostFields(_Open):
    """What became of one host."""

    name: str = Field(description="The host's.")
    digest: Sha256 = Field(description="Of its levels.")
    factors: Levels = Field(description="Factor and level, where it differs from the reference.")
    state: State = Field(description="What became of it.")
    verdict: VerdictWord = Field(description="What that means for the environment.")
    named: bool = Field(description="Whether the spec or the stage names it, rather than a set that holds it.")
    reasons: list[str] = Field(description="Sentences that explain a verdict other than PASSED.")
    hint: str = Field(description="The next step; may be empty.")
    behavior: Sha256 | None = Field(description="Of its behavior; null if nothing ran.")
    tests: Outcomes = Field(description="passed, failed, errored, skipped, missing: how many, in its first run.")
    runs: Count = Field(description="Runs made for it, reruns of the reference for it included.")
    cached: Count = Field(description="How many of them were known from an earlier verification.")
    seconds: Seconds = Field(description="Of its first run.")
    fidelity: Fidelity = Field(description="The least of its levels.")
    emulated: list[str] = Field(default=[], description="Factors whose levels were emulated.")
    evidence: Levels = Field(description="Factor, and what was found in effect.")
    ambient: dict[str, str] = Field(description="Facts of the machine that no factor sets.")
    sandbox: Sha256 | None = Field(default=None, description="Of what held its first run; null where nobody looked.")
    calls: CallsFields | None = Field(default=None, description="What its first run was denied; null if unknown.")
    network: NetworkFields | None = Field(default=None, description="What that run tried to reach; null if unknown.")
    shutdown: list[EndingFields] | None = Field(
        default=None, description="How what outlived the suite ended; null if unknown."
    )
    differences: list[DifferenceFields] = Field(description="Worst first.")
    notes: list[NoteFields] = Field(description="Traces that differ.")


class WorkFields(_Open):
    """The runs that were made for an environment, without those that were known."""

    runs: Count = Field(default=0, description="How many.")
    seconds: Seconds = Field(default=0, description="Of all together.")
    longest: Seconds = Field(default=0, description="Of the longest one.")


class IgnoredFields(_Open):
    """A rule of the spec that accepts differences."""

    test: str = Field(description="Its pattern of test ids.")
    host: str = Field(description="Its pattern of host names.")
    reason: str = Field(description="Why they are accepted.")
    used: Count = Field(description="How many it accepted; 0 means that the rule can go.")


class EnvironmentFields(_Open):
    """What was found of one environment."""

    name: str = Field(description="The environment's.")
    spec: str = Field(description="The path of its spec, as the user gave it.")
    lock: Sha256 | None = Field(description="Of its lock; null for an image that was given.")
    image: Sha256 = Field(description="Of the image's manifest.")
    suite: Sha256 = Field(description="Of what is asked.")
    normalization: Sha256 | None = Field(description="Of what is unstable on the reference; null if it never ran.")
    unstable: list[str] = Field(description="The ids that are.")
    verdict: VerdictWord = Field(description="The worst of its hosts'.")
    headline: str = Field(description="One sentence without a full stop.")
    behavior: Sha256 | None = Field(description="The reference's; null if it never ran to its end.")
    seconds: Seconds = Field(description="From the first run to the verdict.")
    hermetic: bool = Field(description="False if the suite may use the outer network.")
    work: WorkFields = Field(default=WorkFields(), description="The runs that it took.")
    tests: Outcomes = Field(description="passed, failed, errored, skipped, missing: how many, on the reference.")
    hosts: list[HostFields] = Field(description="The reference first.")
    reasons: list[str] = Field(description="Sentences for the verdict, worst first.")
    hint: str = Field(description="The next step; may be empty.")
    ignored: list[IgnoredFields] = Field(description="Every rule of the spec, with its use.")


class UnavailableFields(_Open):
    """A host that cannot run on this machine."""

    host: str = Field(description="Its name.")
    reason: str = Field(description="Why.")
    hint: str = Field(description="The command that enables it; may be empty.")


class Verdict(_Open):
    """What `verify --json` prints, and `.seatrial/report.json` holds: what was found, whole."""

    schema_: str = Field(alias="schema", description="What the document is.", json_schema_extra={"const": SCHEMA})
    verdict: VerdictWord = Field(description="The worst of the environments'.")
    headline: str = Field(description="One sentence without a full stop.")
    seconds: Seconds = Field(description="Of the whole command.")
    seed: int = Field(description="Plans the same runs again.")
    partial: bool = Field(description="True if it was interrupted: what is missing did not run.")
    environments: list[EnvironmentFields] = Field(description="In the order in which they were asked for.")
    unavailable: list[UnavailableFields] = Field(description="Every host that could not run, once.")


def texts() -> Mapping[str, str]:
    """Return the text of the schema's file by its name."""
    return {NAME: to_draft07(Verdict, NAME, "serialization")}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the schema, or tell whether it is stale; return the exit code."""
    return write_or_check(argv, texts(), "pipeline.report.schema")


if __name__ == "__main__":
    sys.exit(main())
