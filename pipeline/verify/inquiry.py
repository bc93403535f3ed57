"""``Inquiry``: all that is asked about one environment, as a spec asks it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

from pipeline.declare.errors import SpecError, VerifyError
from pipeline.declare.image import AnyImage, BuiltImage
from pipeline.declare.nearby import nearby
from pipeline.declare.spec import EnvSpec, JUnitResults, ResultsFormat, Trace
from pipeline.verify import plugin
from pipeline.verify.here import host_here
from pipeline.verify.normalization import Normalization
from pipeline.verify.observe import SuiteFacts, suite_document
from pipeline.verify.rules import Flaky, Ignore, Rules
from pipeline.verify.suite import Results
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.platform import own_architecture
from runtime.plan import Plan, Ready, Service, User, Variant

GRACE = 5000
"""Milliseconds that what a suite leaves behind has to heed SIGTERM, where its shutdown is behavior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A host to try.

    Args:
        host: the host.
        named: whether the spec or the stage names it, rather than a set that holds it.
    """

    host: Host
    named: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """All that is asked about one environment.

    Args:
        name: the environment's.
        spec: path of the spec, as the user gave it.
        lock: digest of its lock, if it has one.
        image: digest of the image.
        suite: what is asked of it.
        plan: the run of the suite, before any host is applied.
        reference: the host that others are compared with.
        hosts: the others, in the order of the report.
        rules: of the spec.
        seed: the same seed plans the same runs.
        runs: how many reruns may be spent on causes.
        milliseconds: how long may be spent on them.
        hermetic: False if the suite may use the outer network.
        fail_fast: whether the first host that fails ends it.
        predicts: whether a traced run of the reference says where to look first.
        normalization: under which behavior is compared where it was learned earlier; None learns one here.
        alone: whether the reference alone is an answer: it is, where it is held against an earlier one.
        nearby: where the neighbors of the files that the spec takes would be in the image → what takes them.
    """

    name: str
    spec: str
    lock: Digest | None
    image: Digest
    suite: SuiteFacts
    plan: Plan
    reference: Host
    hosts: tuple[Choice, ...]
    rules: Rules = field(default_factory=Rules)
    seed: int = 0
    runs: int = 2000
    milliseconds: int = 1_200_000
    hermetic: bool = True
    fail_fast: bool = False
    predicts: bool = True
    normalization: Normalization | None = None
    alone: bool = False
    nearby: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def ask(
    spec: EnvSpec,
    hosts: Sequence[Host],
    *,
    variants: Sequence[Variant],
    services: Mapping[str, Digest],
    lock: Digest | None,
    are_named: bool,
    seed: int,
    milliseconds: int,
    fail_fast: bool = False,
    predicts: bool = True,
) -> Inquiry:
    """Return what a spec asks about an image.

    Args:
        spec: names the suite and the rules.
        hosts: the reference first.
        variants: the image and the suite tree, for each architecture that they were built for.
        services: name → digest of its image.
        lock: digest of the lock that all were built from.
        are_named: whether the hosts were named one by one: then each must run.
        seed: the same seed plans the same runs.
        milliseconds: how long causes may be searched for.
        fail_fast: whether the first host that fails ends it.
        predicts: whether a traced run of the reference says where to look first.
    """
    plan = suite_run(spec, variants, services)
    reference, *others = (as_here(each, variants) for each in hosts)
    return Inquiry(
        name=spec.name,
        spec=str(spec.path),
        lock=lock,
        image=plan.image,
        suite=_suite_facts(spec, of_machine(variants).suite, services),
        plan=plan,
        reference=reference,
        hosts=tuple(Choice(host=each, named=are_named) for each in others),
        rules=Rules(
            flaky=Flaky(spec.flaky.value),
            ignore=tuple(Ignore(test=each.test, host=each.host, reason=each.reason) for each in spec.ignore),
        ),
        seed=seed,
        milliseconds=milliseconds,
        fail_fast=fail_fast,
        predicts=predicts,
        nearby=nearby(spec),
    )


def suite_run(spec: EnvSpec, variants: Sequence[Variant], services: Mapping[str, Digest]) -> Plan:
    """Return the run of a spec's suite, and of its services beside it, before any host is applied.

    Args:
        spec: names the suite.
        variants: the image and the suite tree, for each architecture that they were built for.
        services: name → digest of its image.

    Raises:
        VerifyError: an image exists already.
        SpecError: a service runs nothing.
    """
    built = _built(spec, spec.image)
    asked = spec.suite
    results = plugin.RESULTS if asked.results == ResultsFormat.PYTEST else ""
    if isinstance(asked.results, JUnitResults):
        results = str(PurePosixPath(built.workdir) / asked.results.junit)
    shown = of_machine(variants)
    return Plan(
        image=shown.image,
        suite=shown.suite,
        argv=asked.command,
        workdir=built.workdir,
        environment=dict(built.env),
        user=_user(built),
        capabilities=(),
        deadline=asked.timeout,
        artifacts=asked.artifacts,
        results=results,
        variants=tuple(variants),
        services=tuple(_service(spec, name, digest) for name, digest in services.items()),
        grace=GRACE if Trace.SHUTDOWN in asked.behavior else 0,
    )


def of_machine(variants: Sequence[Variant]) -> Variant:
    """Return the variant for this machine's architecture, the first where there is none: it is emulated."""
    own = own_architecture()
    return next((each for each in variants if each.architecture == own), variants[0])


def as_here(host: Host, variants: Sequence[Variant]) -> Host:
    """Return a host as this machine can have it, for what was built."""
    return host_here(host, [each.architecture for each in variants])


def _service(spec: EnvSpec, name: str, image: Digest) -> Service:
    asked = spec.services[name]
    built = _built(spec, asked.image)
    argv = (*built.entrypoint, *(asked.command or built.command))
    if not argv:
        raise SpecError(
            f"{spec.path}: service {name!r} has nothing to run",
            hint=f"add `command: […]` to services.{name}, or to its image",
        )
    return Service(
        name=name,
        image=image,
        argv=argv,
        workdir=built.workdir,
        environment={**built.env, **asked.env},
        user=_user(built),
        ready=Ready(port=asked.ready.tcp, within=asked.ready.within) if asked.ready else None,
    )


def _built(spec: EnvSpec, image: AnyImage) -> BuiltImage:
    if not isinstance(image, BuiltImage):
        raise VerifyError(f"{spec.path}: an image that exists already is not run by this version")
    return image


def _user(image: BuiltImage) -> User:
    return User(uid=image.user.uid, gid=image.user.uid, home=image.user.home)


def _suite_facts(spec: EnvSpec, tree: Digest, services: Mapping[str, Digest]) -> SuiteFacts:
    suite = spec.suite
    junit = suite.results.junit if isinstance(suite.results, JUnitResults) else ""
    document = suite_document(
        tree=tree,
        command=suite.command,
        results={"junit": junit} if junit else str(suite.results),
        timeout=suite.timeout,
        network=suite.network.value,
        artifacts=suite.artifacts,
        output=[each.value for each in suite.output],
        behavior=[each.value for each in suite.behavior],
        services=services,
    )
    return SuiteFacts(
        digest=Digest.of_json(document),
        command=suite.command,
        results=Results.JUNIT if junit else Results(str(suite.results)),
        output=tuple(each.value for each in suite.output),
        behavior=tuple(each.value for each in suite.behavior),
        shadows=suite.shadows,
        document=document,
    )
