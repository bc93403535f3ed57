"""Hosts for a variant: guilty levels among innocent ones, and innocent ones without them."""

import random
import sys
from collections.abc import Mapping

import yaml
from fault import HERE, Fault, Kind

sys.path.append(str(HERE.parents[1]))

from runtime.factors import factor
from runtime.factors.carriers import EVERY

INNOCENT: Mapping[str, list[str]] = yaml.load((HERE / "innocent.yaml").read_text(), Loader=yaml.BaseLoader)  # noqa: S506


def draw(fault: Fault, chance: random.Random) -> dict[str, dict[str, str]]:
    """Return hosts by name: factor → level.

    None has the guilty levels alone: the others would be told what it proves. The reproducer runs with them alone.
    """

    def among(levels: Mapping[str, str]) -> dict[str, str]:
        free = _free(fault, levels)
        drawn = sorted(chance.sample(sorted(free), chance.randint(5, 9)))
        return {**levels, **{name: chance.choice(free[name]) for name in drawn}}

    if not fault.causes:
        return {f"drawn-{index}": among({}) for index in range(1, chance.randint(4, 6) + 1)}
    hosts = {f"among-{index}": among(fault.causes) for index in range(1, chance.randint(2, 3) + 1)}
    parts = [{}, *({name: level} for name, level in fault.causes.items() if fault.kind is Kind.TWO)]
    parts += [{}] * (chance.randint(2, 3) - len(parts))
    return hosts | {f"without-{index}": among(part) for index, part in enumerate(parts, start=1)}


def _free(fault: Fault, levels: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the levels that may stand beside some: harmless to the app, and carried out by the same runtime."""
    runtimes = EVERY.intersection(*(factor(name).carriers(level) for name, level in levels.items()))
    runtime = levels.get("runtime", "native" if "native" in runtimes else min(runtimes))
    orders = {"test-order"} if fault.base == "exit" else set()  # it has no tests to order
    names = INNOCENT.keys() - fault.causes.keys() - fault.sensitive - orders
    carried = {name: [each for each in INNOCENT[name] if runtime in factor(name).carriers(each)] for name in names}
    return {name: found for name, found in carried.items() if found}
