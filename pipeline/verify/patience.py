"""How long a rerun may take, where the question is what makes a suite hang: each answer costs that time."""

from dataclasses import replace

from pipeline.verify.observe import Observation
from runtime.outcome import Limit
from runtime.plan import Plan

_LEAST = 5000
"""Milliseconds: a run of nothing takes a tenth of it on a machine under load."""

_RATIO = 5
"""How many times as long as the whole suite takes on the reference."""


def patient(plan: Plan, reference: Observation, here: Observation) -> Plan:
    """Return the plan of reruns: with an earlier deadline, if the deadline is what ended the run here.

    A suite is given ten minutes by default, and a search takes a dozen runs that hang: nobody waits for two hours. What
    only takes more than five times as long as on the reference is taken for what hangs.
    """
    if here.exit.limit is not Limit.DEADLINE or reference.exit.limit is Limit.DEADLINE:
        return plan
    return replace(plan, deadline=min(plan.deadline, _LEAST + _RATIO * reference.duration))
