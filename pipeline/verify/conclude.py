"""Put the results of environments together."""

from collections.abc import Sequence

from pipeline.verify.headline import headline_of_all
from pipeline.verify.judge import worst
from pipeline.verify.verdict import EnvironmentResult, State, Unavailable, Verification


def conclude(
    environments: Sequence[EnvironmentResult], *, duration: int, seed: int, partial: bool = False
) -> Verification:
    """Return the whole verification: the worst verdict, its sentence, and every host that could not run, once."""
    verdict = worst([each.verdict for each in environments])
    hosts = (host for environment in environments for host in environment.hosts)
    lacking = {
        host.name: Unavailable(host=host.name, reason=" ".join(host.reasons), hint=host.hint)
        for host in hosts
        if host.state is State.UNAVAILABLE
    }
    return Verification(
        verdict=verdict,
        headline=headline_of_all(environments, verdict),
        environments=tuple(environments),
        unavailable=tuple(lacking[name] for name in sorted(lacking)),
        duration=duration,
        seed=seed,
        partial=partial,
    )
