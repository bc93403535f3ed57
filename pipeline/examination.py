"""What this machine offers: which hosts can run here, and which of them specs name."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.declare.hosts import Catalogue, select
from pipeline.declare.read import read_specs
from pipeline.preparation import Options
from pipeline.verify.offers import Examination, examine_machine


def examine(paths: Sequence[Path], options: Options) -> Examination:
    """Return what this machine can do, and which hosts the specs name.

    Raises:
        SpecFaults: a spec is wrong.
    """
    specs = read_specs(paths)
    catalogue = Catalogue.of(paths[0] if paths else Path("envs/spec.yaml"))
    named = {
        host.name
        for spec in specs
        if not isinstance(options.hosts or spec.hosts, str)
        for host in select(spec, catalogue, options.hosts, options.seed)
    }
    return examine_machine(catalogue, named)


def offers(pattern: Path, options: Options) -> Examination:
    """Return every host of the catalogue that a spec at ``pattern`` would see, and whether it can run here."""
    return examine_machine(Catalogue.of(pattern), (options.hosts or "").split(","))
