"""Ask a suite again, from a stage's own copy, and compare how each host behaves with what was signed before."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Semaphore

from pipeline.build.kernels import kernels_of
from pipeline.changed import Before, Change, suspects
from pipeline.preparation import Options, Tell
from pipeline.release.suite_question import SuiteQuestion
from pipeline.verification import answer
from pipeline.verify.compare import Difference
from pipeline.verify.inquiry import Choice, Inquiry, as_here
from pipeline.verify.judge import worst
from pipeline.verify.observe import behavior_digest
from pipeline.verify.rules import Flaky
from pipeline.verify.schedule import BackendRunner, Cell, LostRunError, ResultCache
from pipeline.verify.since import differences_since
from pipeline.verify.verdict import EnvironmentResult, HostResult, State, VerdictWord
from runtime.backends.catalogue import Backends
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.layout import Layout

AGAIN = 7
"""Runs of a host that behaves in another way than was signed: a test that fails every second time shows itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where the image and the suite are read.

    Args:
        layers: unpacked layers by manifest.
        layout: has the manifests and the packed layers.
    """

    layers: Callable[[Digest], tuple[Path, ...]]
    layout: Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """What was signed of an image before.

    Args:
        reference: of the reference.
        hosts: host digest → of the other hosts that ran.
        record: returns what a behavior digest is the digest of; None where that is not kept.
    """

    reference: Before
    hosts: Mapping[Digest, Before]
    record: Callable[[Digest], Mapping[str, object] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came out.

    Args:
        result: of all hosts, as it may be signed.
        changes: hosts that behave in another way than was signed; nothing may be signed if there are any.
    """

    result: EnvironmentResult
    changes: tuple[Change, ...] = ()


def ask_again(
    question: SuiteQuestion,
    hosts: Sequence[Host],
    earlier: Earlier,
    ground: Ground,
    *,
    options: Options,
    tell: Tell,
    now: int,
) -> Answer:
    """Run a suite again on some hosts, with nothing from earlier runs, under the normalization that it carries.

    A host that behaves as was signed in some runs but not in all is flaky, not changed.

    Args:
        question: what is asked.
        hosts: on which, those beside the reference.
        earlier: what was signed.
        ground: where everything is read.
        options: say how many runs there are at once, and how long causes may be searched for.
        tell: is told what happens.
        now: seconds since 1970.

    Raises:
        BackendError, StoreError: nothing can be run; the message says why.
        environment.Interrupted: a signal arrived.
    """
    wishes = replace(options, fresh=True)
    asked = _asked(question, hosts, wishes)
    result = answer(asked, ground.layers, ground.layout, wishes, tell)
    judged, changed = [], []
    for host, seen in zip((asked.reference, *(each.host for each in asked.hosts)), result.hosts, strict=True):
        before = _before(host, seen, earlier)
        if before is None or seen.behavior is None or seen.behavior == before.behavior:
            judged.append(seen)
            continue
        steadied = _steadied(asked, seen, before, _digests(asked, host, ground, wishes))
        judged.append(steadied or seen)
        changed += [] if steadied else [(host, seen, before)]
    result = replace(result, hosts=tuple(judged), behavior=judged[0].behavior)
    result = replace(result, verdict=worst([each.verdict for each in judged]))

    def ask(inquiry: Inquiry) -> EnvironmentResult:
        return answer(inquiry, ground.layers, ground.layout, wishes, lambda _: None)

    changes: list[Change] = []
    for host, seen, before in changed:
        differences = _differences(seen, before, result, earlier)
        alike = next((each for each in changes if differences and each.differences == differences), None)
        found = alike.suspects if alike else suspects(asked, host, seen, before, now=now, ask=ask)
        changes.append(
            Change(
                host=host.name,
                before=before.behavior,
                now=seen.behavior,
                differences=differences,
                suspects=found,
            )
        )
    return Answer(result=result, changes=tuple(changes))


def _asked(question: SuiteQuestion, hosts: Sequence[Host], options: Options) -> Inquiry:
    asked = question.inquiry
    reference, *others = (as_here(each, asked.plan.variants) for each in (asked.reference, *hosts))
    return replace(
        asked,
        reference=reference,
        hosts=tuple(Choice(host=each, named=True) for each in others),
        seed=options.seed,
        milliseconds=options.budget,
        predicts=options.predict,
        alone=not others,
    )


def _before(host: Host, seen: HostResult, earlier: Earlier) -> Before | None:
    """Return what was signed of a host; the reference is compared whatever its digest is on this machine."""
    return earlier.reference if seen.state is State.REFERENCE else earlier.hosts.get(host.digest)


def _steadied(asked: Inquiry, seen: HostResult, before: Before, found: Iterable[Digest]) -> HostResult | None:
    """Return a host that behaves as before in some of its runs; None where none of them shows that."""
    count = next((count for count, each in enumerate(found, 2) if each == before.behavior), 0)
    if not count:
        return None
    reason = f"it behaves as before in 1 of {count} runs: a test is flaky that was not"
    is_failed = asked.rules.flaky is Flaky.FAIL
    return replace(
        seen,
        behavior=before.behavior,
        state=seen.state if seen.state is State.REFERENCE else State.FLAKY,
        verdict=worst([seen.verdict, VerdictWord.FAILED]) if is_failed else seen.verdict,
        reasons=(*seen.reasons, reason),
    )


def _digests(asked: Inquiry, host: Host, ground: Ground, options: Options) -> Iterator[Digest]:
    """Yield the behavior digests of further runs of a host; none where they are lost."""
    if asked.normalization is None:
        return
    with Backends(ground.layers, ground.layout, kernels_of(options.store)) as backend:
        runner = BackendRunner(
            backend=backend,
            suite=asked.suite,
            cache=ResultCache(options.store / "results", is_fresh=True),
            ambient=backend.ambient,
            jobs=Semaphore(1),
            stop=Event(),
        )
        for index in range(1, AGAIN + 1):
            try:
                run = runner.run(Cell(plan=host.apply(asked.plan), host=host, index=index, series="again"))
            except LostRunError:
                return
            yield behavior_digest(run.observation, asked.normalization)


def _differences(
    seen: HostResult, before: Before, result: EnvironmentResult, earlier: Earlier
) -> tuple[Difference, ...]:
    was = earlier.record(before.behavior)
    now = result.records.get(seen.behavior) if seen.behavior else None
    return differences_since(was, now) if was is not None and now is not None else ()
