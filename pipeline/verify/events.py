"""What happens during a verification, told as it happens to whoever shows progress."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.verify.verdict import EnvironmentResult, HostResult


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentStarted:
    """An environment's runs begin.

    Args:
        environment: its name.
        hosts: names of its hosts, the reference first.
    """

    environment: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run was asked for: it begins as soon as a job is free, unless it is known from an earlier verification.

    Args:
        environment: its name.
        host: the host's name; of a hybrid, its levels.
        index: counts the reruns of a plan, from 0.
    """

    environment: str
    host: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """A run ended.

    Args:
        environment: its name.
        host: as in ``RunStarted``.
        index: likewise.
        is_cached: whether it was known from an earlier verification.
        duration: milliseconds that it took when it ran.
    """

    environment: str
    host: str
    index: int
    is_cached: bool
    duration: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explaining:
    """A host behaves differently; reruns begin.

    Args:
        environment: its name.
        host: the host's name.
        differences: how many behaviors differ.
    """

    environment: str
    host: str
    differences: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostJudged:
    """A host is done.

    Args:
        environment: its name.
        result: what became of it.
    """

    environment: str
    result: HostResult


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentJudged:
    """An environment is done."""

    result: EnvironmentResult


Event: TypeAlias = EnvironmentStarted | RunStarted | RunFinished | Explaining | HostJudged | EnvironmentJudged
Tell: TypeAlias = Callable[[Event], None]
