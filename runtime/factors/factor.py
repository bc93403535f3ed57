"""``Factor``: one thing about hosts that can vary."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from runtime.errors import FactorError
from runtime.factors.carriers import EVERY
from runtime.factors.questions import Answers
from runtime.outcome import Fidelity, Resources
from runtime.plan import Plan


class Factor(ABC):
    """One thing about hosts that can vary: its levels, how it changes a plan, and how a run proves that it held.

    A level is text, exactly as written. Every host has a level for every factor, and all are applied, in the order of
    the table, to a plan that knows only the image and the suite: there is no second way to the reference.
    """

    name: ClassVar[str]
    """Its name in specs: kebab-case, CONTRACT section 3."""

    default: ClassVar[str]
    """The reference's level."""

    control: ClassVar[str]
    """The null control: a level that uses the machinery, has no effect, and must change no test."""

    levels: ClassVar[Mapping[str, str]]
    """Level → one sentence of what it means: the named ones, then examples of an open range."""

    names: ClassVar[str] = ""
    """What speaks for it in a trace, with blanks between: functions, attributes and system calls that are called so."""

    signs: ClassVar[str] = ""
    """Likewise whole signs (see ``runtime.trace``), with semicolons between; a ``*`` at the end stands for any rest."""

    accounted: ClassVar[bool] = False
    """True if the evidence is the kernel's accounting of the run, which the backend reads, and not ``probe``."""

    @abstractmethod
    def apply(self, plan: Plan, level: str) -> Plan:
        """Return ``plan`` under ``level``.

        Raises:
            FactorError: there is no such level, or this plan cannot have it.
        """

    def questions(self, plan: Plan) -> tuple[str, ...]:  # noqa: ARG002 - the interface
        """Return what ``probe`` must know, in the grammar of ``runtime.factors.questions``.

        It is asked inside the run, as its user, when all is set up and before the program starts.
        """
        return ()

    @abstractmethod
    def probe(self, plan: Plan, answers: Answers) -> str:
        """Return what is in effect, as the answers say: what the plan says is no evidence."""

    @abstractmethod
    def holds(self, level: str, found: str, plan: Plan) -> bool:
        """Tell whether ``found`` is what ``level`` asks for. ``plan`` is the plan under all levels."""

    def needs(self, level: str) -> frozenset[str]:  # noqa: ARG002 - the interface
        """Return the limits that a machine must be able to enforce: of ``memory``, ``processes``, ``cpu-quota``."""
        return frozenset()

    def carriers(self, level: str) -> frozenset[str]:  # noqa: ARG002 - the interface
        """Return the runtimes, as levels of the factor ``runtime``, that can carry ``level`` out."""
        return EVERY

    def lacks(self, level: str, plan: Plan) -> str:  # noqa: ARG002 - the interface
        """Return what keeps ``level`` from having an effect on this plan, wherever it runs; empty for nothing."""
        return ""

    def since(self, level: str) -> tuple[int, int]:  # noqa: ARG002 - the interface
        """Return the first Linux that has what ``level`` needs; (0, 0) where any will do that runs us."""
        return 0, 0

    def fidelity(self, level: str) -> Fidelity:  # noqa: ARG002 - the interface
        """Return how true the level is on the native runtime."""
        return Fidelity.NATIVE

    def stayed_below(self, level: str, used: Resources) -> bool | None:  # noqa: ARG002 - the interface
        """Tell whether a run that was only watched stayed below the level; None where that cannot be known."""
        return None

    def unknown(self, level: str) -> FactorError:
        """Return the error for a level that does not exist, naming those that do."""
        return FactorError(
            f"factor {self.name!r} has no level {level!r}",
            hint=f"levels are such as {', '.join(self.levels)}; `seatrial hosts --levels` explains them",
        )
