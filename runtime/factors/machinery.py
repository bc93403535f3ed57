"""``runtime``: who makes the container."""

from runtime.factors.factor import Factor
from runtime.factors.questions import Answers
from runtime.plan import Plan


class RuntimeFactor(Factor):
    """The runtime that a run goes through; everything else stays as the other levels say."""

    name = "runtime"
    default = "native"
    control = "native"
    accounted = True
    levels = {
        "native": "Seatrial's own runtime",
        "crun": "crun, Podman's runtime, by an OCI bundle",
        "runc": "runc, Docker's and Kubernetes's runtime, by an OCI bundle",
        "runsc": "runsc (gVisor), by an OCI bundle: a kernel of its own, in user space",
        "docker": "Docker Engine",
        "podman": "Podman, with or without root",
        "youki": "youki, by an OCI bundle",
    }

    def apply(self, plan: Plan, level: str) -> Plan:
        """Nothing: the plan's levels name the backend."""
        if level not in self.levels:
            raise self.unknown(level)
        return plan

    def probe(self, plan: Plan, answers: Answers) -> str:  # noqa: ARG002
        """Nothing: the backend says who it is."""
        return ""

    def holds(self, level: str, found: str, plan: Plan) -> bool:  # noqa: ARG002
        """It is the one that was asked for."""
        return found == level
