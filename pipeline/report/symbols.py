"""How the state of a host is shown."""

from pipeline.verify.verdict import State

SYMBOLS = {
    State.REFERENCE: ("◆", "dim"),
    State.SAME: ("●", "dim"),
    State.DIFFERENT: ("✕", "red"),
    State.FLAKY: ("≈", "yellow"),
    State.INCONCLUSIVE: ("?", "magenta"),
    State.UNAVAILABLE: ("\N{EN DASH}", "dim"),
}
"""Symbol and color of each state; the word always stands beside them."""
