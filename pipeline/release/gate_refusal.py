"""``GateRefusal``: why a gate stays shut: a stable code, and one line with what is missing and who could supply it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.declare.keyring_file import Role
from pipeline.release.keyring import Keyring


class Gate(StrEnum):
    """The codes of a gate's own checks; ``Refusal`` has those of evidence, keys and keyrings. Both are stable."""

    # the question itself
    POLICY_EMPTY = "policy-empty"
    LOCAL_TRUST = "local-trust"
    NO_KEY = "no-key"
    KEYRING_STALE = "keyring-stale"
    # the release
    PLATFORM_MISSING = "platform-missing"
    PLATFORM_SEVERAL = "platform-several"
    PLATFORM_OTHER = "platform-other"
    # what a statement says as a whole
    SIGNER_LOCAL = "signer-local"
    CLOCK_AHEAD = "clock-ahead"
    IMAGE_OTHER = "image-other"
    VERDICT_FORGED = "verdict-forged"
    SUITE_OTHER = "suite-other"
    NORMALIZATION_OTHER = "normalization-other"
    BEHAVIOR_OTHER = "behavior-other"
    UNSTABLE = "unstable"
    NOTHING_STABLE = "nothing-stable"
    NOT_HERMETIC = "not-hermetic"
    # what it says of one host
    HOST_MISSING = "host-missing"
    HOST_OTHER = "host-other"
    HOST_FORGED = "host-forged"
    HOST_NOT_PASSED = "host-not-passed"
    HOST_DIFFERENT = "host-different"
    HOST_FLAKY = "host-flaky"
    HOST_UNPROVEN = "host-unproven"
    STATE_FORGED = "state-forged"
    BEHAVIOR_CHANGED = "behavior-changed"
    NOTHING_RAN = "nothing-ran"
    NOTHING_PASSED = "nothing-passed"
    FIDELITY_LOW = "fidelity-low"
    FIDELITY_FORGED = "fidelity-forged"
    TOO_OLD = "too-old"
    IGNORE = "ignore"
    FAILED_SINCE = "failed-since"
    SIGNERS = "signers"
    SIGNERS_DIFFER = "signers-differ"
    # what stands beside it
    REBUILDERS = "rebuilders"
    REBUILDER_BUILDER = "rebuilder-builder"
    LINT_MISSING = "lint-missing"
    LINT_FOUND = "lint-found"
    # the stage before
    STAGE_BEFORE = "stage-before"
    NOT_LIVE = "not-live"
    ACCEPTANCE_MISSING = "acceptance-missing"
    ACCEPTANCE_STAGE = "acceptance-stage"
    ACCEPTANCE_APP = "acceptance-app"
    ACCEPTANCE_STORE = "acceptance-store"
    ACCEPTANCE_RELEASE = "acceptance-release"
    ACCEPTANCE_IMAGE = "acceptance-image"
    ACCEPTANCE_POLICY = "acceptance-policy"
    ACCEPTANCE_NUMBER = "acceptance-number"
    ACCEPTANCE_EXPIRED = "acceptance-expired"
    SOAK = "soak"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRefusal:
    """One reason for which a gate stays shut.

    Args:
        code: of the check: a value of ``Gate`` or of ``Refusal``.
        what: what is missing or wrong, half a sentence.
        who: who could supply it, likewise.
        command: what they run; empty where no command helps.
    """

    code: str
    what: str
    who: str = ""
    command: str = ""

    @property
    def line(self) -> str:
        """All of it in one line."""
        rest = ": ".join(filter(None, (self.who, f"`{self.command}`" if self.command else "")))
        return f"{self.what}; {rest}" if rest else self.what


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppliers:
    """Who could supply what is missing, with the command.

    Args:
        app: the app's name, as commands take it.
        stage: the stage that asks.
        roles: of those who sign what an image did.
        keyring: whose signatures count.
        now: seconds since 1970.
    """

    app: str
    stage: str
    roles: tuple[Role, ...]
    keyring: Keyring
    now: int

    def verified(self, code: Gate, what: str, hosts: Sequence[str], *, fresh: bool = False) -> GateRefusal:
        """Return a refusal that a verification on some hosts mends; ``fresh`` where what was seen before is no help."""
        more = " --fresh" if fresh else ""
        return GateRefusal(
            code=code.value,
            what=what,
            who=f"{self._holders(self.roles)} can verify it",
            command=f"seatrial verify {self.app} --hosts {','.join(hosts)}{more}",
        )

    def rebuilt(self, code: Gate, what: str) -> GateRefusal:
        """Return a refusal that another build mends."""
        who = f"{self._holders((Role.REBUILDER,))} can build it again"
        return GateRefusal(code=code.value, what=what, who=who, command=f"seatrial rebuild {self.app}")

    def promoted(self, code: Gate, what: str, stage: str) -> GateRefusal:
        """Return a refusal that a promotion to another stage mends."""
        who = f"{self._holders((Role.PROMOTER,))} can let it in there"
        return GateRefusal(code=code.value, what=what, who=who, command=f"seatrial promote {self.app} --to {stage}")

    def declared(self, code: Gate, what: str) -> GateRefusal:
        """Return a refusal that a change of the stage's file mends."""
        return GateRefusal(code=code.value, what=what, who=f"whoever owns specs/stages/{self.stage}.yaml decides that")

    def _holders(self, roles: Sequence[Role]) -> str:
        """Return who may sign as one of some roles now."""
        may = (
            each.person
            for each in self.keyring.holders
            if frozenset(roles) & each.roles
            and each.since <= self.now < each.until
            and self.keyring.revocation(each.key.id) is None
        )
        named = list(dict.fromkeys(may))
        if named:
            return " or ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
        return f"nobody yet; a {' or '.join(each.value for each in roles)} whom `seatrial keys add` adds"
