"""``Factor``: one thing about hosts that can vary."""

from typing import Protocol

from runtime.outcome import Fidelity, Resources
from runtime.plan import Plan


class Factor(Protocol):
    """One thing about hosts that can vary: its levels, how it changes a plan, and how a run proves that it held.

    A level is text, exactly as written. ``default`` is the reference's; ``control`` runs the factor's machinery at zero
    effect (it may equal ``default`` where the reference goes through the same machinery) and must change no test.
    """

    @property
    def name(self) -> str:
        """Its name in specs: kebab-case, CONTRACT section 3."""

    @property
    def default(self) -> str:
        """The reference's level."""

    @property
    def control(self) -> str:
        """The null control: a level that uses the machinery and has no effect."""

    @property
    def levels(self) -> dict[str, str]:
        """Level → one sentence of what it means, the named or exemplary ones, in the order to show them."""

    def apply(self, plan: Plan, level: str) -> Plan:
        """Return ``plan`` under ``level``.

        Raises:
            FactorError: there is no such level, or this plan cannot have it.
        """

    def needs(self, level: str) -> frozenset[str]:
        """Return what a machine must offer for the level to be enforced: of ``memory``, ``processes``, ``cpu-quota``, or nothing."""

    def probe(self, plan: Plan) -> str:
        """Return what is in effect, read inside the run as the run's user, after all is set up and before the program starts.

        It runs in the process that becomes the program (or a twin of it): only modules that are already imported, only
        system calls that the profile allows; it may not raise for what a level does.
        """

    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """Tell whether what the probe found is what ``level`` asks for. ``plan`` is the plan under all levels."""

    def fidelity(self, level: str) -> Fidelity:
        """Return how true the level is on the native runtime."""

    def stayed_below(self, level: str, used: Resources) -> bool | None:
        """Tell whether a run that was only watched stayed below the level; None where the level is no such limit."""
