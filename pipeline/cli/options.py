"""What the options of every command mean."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli.arguments import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from pipeline.preparation import Options

BUDGET = "20m"
"""How long the search for causes may take by default."""

NOTHING = "0s"
"""The budget that looks for no cause: a host is run and compared, no more."""


def store_path(arguments: argparse.Namespace) -> Path:
    """Return the folder of the store: ``--store``, ``SEATRIAL_STORE``, or the user's data folder."""
    chosen = arguments.store or os.environ.get("SEATRIAL_STORE")
    if chosen:
        return Path(chosen).absolute()
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else Path.home() / ".local" / "share") / "seatrial"


def options(arguments: argparse.Namespace, *, images: Mapping[str, str] | None = None) -> Options:
    """Return what the pipeline is told: the store, how many runs at once, the seed, and the verb's own wishes.

    Raises:
        UsageError: ``--budget`` is no duration.
    """
    from pipeline.declare.values import parse_duration  # noqa: PLC0415 - loads pydantic

    wanted = getattr(arguments, "budget", None) or BUDGET
    try:
        budget = 0 if wanted == NOTHING else parse_duration(wanted)
    except ValueError as error:
        raise UsageError(f"--budget: {error}", hint="for example --budget 20m") from error

    from pipeline.preparation import Options  # noqa: PLC0415 - loads everything, so after what people can get wrong

    return Options(
        store=store_path(arguments),
        jobs=arguments.jobs or len(os.sched_getaffinity(0)),
        seed=arguments.seed or 0,
        hosts=getattr(arguments, "hosts", None),
        budget=budget,
        fresh=getattr(arguments, "fresh", False),
        locked=getattr(arguments, "locked", False),
        fail_fast=getattr(arguments, "fail_fast", False),
        images=images or {},
        predict=budget > 0 and not getattr(arguments, "no_prediction", False),
    )
