"""Whether a policy demands anything, and whether there is somebody whose signatures may count for it."""

from collections.abc import Iterator

from pipeline.declare.stage_file import Trust
from pipeline.release.gate_refusal import Gate, GateRefusal
from pipeline.release.keyring import Keyring, print_time
from pipeline.release.policy import Policy
from pipeline.release.public_key import PublicKey


def question_refusals(
    policy: Policy, keyring: Keyring | None, local: PublicKey | None, now: int
) -> Iterator[GateRefusal]:
    """Yield why no evidence at all could open the gate.

    Args:
        policy: of the stage.
        keyring: whose signatures count; None for none.
        local: this machine's key; None where it has none.
        now: seconds since 1970.
    """
    file = f"whoever owns specs/stages/{policy.stage}.yaml"
    if not policy.hosts or not policy.platforms or policy.threshold < 1:
        what = f"the policy of {policy.stage} demands nothing, and what nobody checked is no success"
        yield GateRefusal(code=Gate.POLICY_EMPTY.value, what=what, who=f"{file} names hosts")
    if policy.is_remote and policy.trust is Trust.LOCAL:
        what = f"{policy.stage} is in a registry, and trusts the key of one machine"
        yield GateRefusal(code=Gate.LOCAL_TRUST.value, what=what, who=f"{file} writes `trust: keyring`")
    if policy.trust is Trust.LOCAL and local is None:
        what, command = "this machine has no key yet, so it has signed nothing", "seatrial verify"
        yield GateRefusal(code=Gate.NO_KEY.value, what=what, who="its first use makes one", command=command)
    if policy.trust is Trust.KEYRING and keyring is None:
        what = f"{policy.stage} trusts a keyring, and there is none"
        yield GateRefusal(code=Gate.NO_KEY.value, what=what, who="its root begins one", command="seatrial keys init")
    if policy.trust is Trust.KEYRING and keyring is not None and now >= keyring.expires:
        what = f"the keyring was valid until {print_time(keyring.expires)}: revocations since then are not in it"
        who = "a root of it signs it again"
        yield GateRefusal(code=Gate.KEYRING_STALE.value, what=what, who=who, command="seatrial keys sign")
