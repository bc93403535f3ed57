"""Ask every peer of this machine everything, and write the table; root starts it."""

import sys
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]
sys.path[:1] = [str(HERE), str(HERE.parent / "conformance"), str(ROOT)]

from peers.commands import version_of  # noqa: E402 - found by the line above
from peers.layers import compare_layers  # noqa: E402
from peers.present import Peers, started  # noqa: E402
from peers.runs import compare_runs  # noqa: E402
from peers.table import render  # noqa: E402
from peers.verdicts import comparable_layers, comparable_runs  # noqa: E402

TABLE = ROOT / "docs" / "reference" / "hostile-inputs.md"


def main() -> None:
    """Write the table."""
    with ExitStack() as stack:
        peers: Peers = stack.enter_context(started())
        runs = compare_runs(comparable_runs(), peers.runs)
        layers = compare_layers(comparable_layers(), peers.layers)
    versions = {each: version_of(each) for each in dict.fromkeys((*peers.runs, *peers.layers))}
    versions |= {each: f"{version_of(each)}; left out: it does not do what is of no harm" for each in peers.idle}
    TABLE.write_text(render(runs, layers, versions), encoding="utf-8")


if __name__ == "__main__":
    main()
