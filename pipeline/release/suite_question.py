"""``SuiteQuestion``: all that was asked of an image, so that it can be asked again where nothing of its project is.

What the suite digest is over stands in it once, and the run is made from that: nothing can be run that was not asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Self

from pipeline.release.documents import parse_object
from pipeline.release.refusal import Refusal, RefusedEvidenceError
from pipeline.verify import plugin
from pipeline.verify.inquiry import GRACE, Inquiry
from pipeline.verify.normalization import Normalization
from pipeline.verify.observe import SuiteFacts
from pipeline.verify.rules import Flaky, Ignore, Rules
from pipeline.verify.suite import Results
from pipeline.verify.verdict import EnvironmentResult
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.errors import SeatrialError
from runtime.host import Host
from runtime.plan import Plan, Ready, Service, User, Variant

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteQuestion:
    """What was asked of an image.

    Args:
        inquiry: without hosts beside the reference, and with the normalization that was learned.
    """

    inquiry: Inquiry

    @classmethod
    def of(cls, result: EnvironmentResult) -> Self | None:
        """Return what was asked for a result; None if that is not known, or the reference gave nothing to compare."""
        asked, learned = result.inquiry, result.normalized
        if asked is None or learned is None or not asked.suite.document:
            return None
        return cls(inquiry=replace(asked, hosts=(), normalization=learned))

    @classmethod
    def parse(cls, raw: bytes, what: str) -> Self:
        """Read the document of a question.

        Raises:
            RefusedEvidenceError: it is malformed, of another format, or not in its one form.
        """
        document = parse_object(raw, what)
        try:
            found = cls(inquiry=_inquiry(document))
            is_same = found.to_bytes() == raw
        except (KeyError, TypeError, ValueError, AttributeError, SeatrialError) as error:
            raise RefusedEvidenceError(Refusal.SUITE_FORM, f"{what} is no question that can be asked") from error
        if not is_same:
            raise RefusedEvidenceError(Refusal.SUITE_FORM, f"{what} is not in the one form of format {FORMAT}")
        return found

    def to_bytes(self) -> bytes:
        """Return the question in canonical JSON: equal questions are equal bytes."""
        return to_canonical_json(_document(self.inquiry))

    @property
    def digest(self) -> Digest:
        """Of its bytes."""
        return Digest.of(self.to_bytes())

    @property
    def normalization(self) -> Normalization:
        """Under which behavior is compared from stage to stage."""
        return self.inquiry.normalization or Normalization()

    @property
    def trees(self) -> tuple[Digest, ...]:
        """The manifests of what runs beside the image: the suite's of each architecture, and the services' images."""
        plan = self.inquiry.plan
        found = (*(each.suite for each in plan.variants), *(each.image for each in plan.services))
        return tuple(dict.fromkeys(found))


def _document(asked: Inquiry) -> dict[str, Json]:
    plan, learned = asked.plan, asked.normalization or Normalization()
    return {
        "format": FORMAT,
        "name": asked.name,
        "image": asked.image.text,
        "lock": asked.lock.text if asked.lock else None,
        "suite": asked.suite.document,
        "shadows": list(asked.suite.shadows),
        "workdir": plan.workdir,
        "environment": dict(plan.environment),
        "user": _user(plan.user),
        "variants": [
            {"architecture": each.architecture, "image": each.image.text, "suite": each.suite.text}
            for each in plan.variants
        ],
        "services": [_service(each) for each in plan.services],
        "normalization": learned.to_json(),
        "ignore": [{"test": each.test, "host": each.host, "reason": each.reason} for each in asked.rules.ignore],
        "flaky": asked.rules.flaky.value,
        "hermetic": asked.hermetic,
        "reference": {"name": asked.reference.name, "factors": dict(asked.reference.factors)},
    }


def _user(user: User) -> dict[str, Json]:
    return {
        "uid": user.uid,
        "gid": user.gid,
        "groups": list(user.groups),
        "home": user.home,
        "named": user.named,
    }


def _service(service: Service) -> dict[str, Json]:
    ready = service.ready
    return {
        "name": service.name,
        "argv": list(service.argv),
        "workdir": service.workdir,
        "environment": dict(service.environment),
        "user": _user(service.user),
        "ready": {"port": ready.port, "within": ready.within} if ready else None,
    }


def _inquiry(document: Mapping[str, Any]) -> Inquiry:
    suite, reference = document["suite"], document["reference"]
    plan = _plan(document, suite)
    return Inquiry(
        name=document["name"],
        spec=document["name"],
        lock=Digest(document["lock"]) if document["lock"] else None,
        image=plan.image,
        suite=SuiteFacts(
            digest=Digest.of_json(suite),
            command=plan.argv,
            results=Results.JUNIT if isinstance(suite["results"], Mapping) else Results(suite["results"]),
            output=tuple(suite["output"]),
            behavior=tuple(suite["behavior"]),
            shadows=tuple(document["shadows"]),
            document=suite,
        ),
        plan=plan,
        reference=Host(name=reference["name"], factors=dict(reference["factors"])),
        hosts=(),
        rules=Rules(
            flaky=Flaky(document["flaky"]),
            ignore=tuple(
                Ignore(test=each["test"], host=each["host"], reason=each["reason"]) for each in document["ignore"]
            ),
        ),
        hermetic=document["hermetic"],
        normalization=Normalization.from_json(document["normalization"]),
    )


def _plan(document: Mapping[str, Any], suite: Mapping[str, Any]) -> Plan:
    variants = tuple(
        Variant(architecture=each["architecture"], image=Digest(each["image"]), suite=Digest(each["suite"]))
        for each in document["variants"]
    )
    image, tree = Digest(document["image"]), Digest(suite["tree"])
    if (image, tree) not in {(each.image, each.suite) for each in variants}:
        raise ValueError("the suite was built for none of the images")
    services = tuple(_parse_service(each, suite["services"]) for each in document["services"])
    if {each.name for each in services} != suite["services"].keys():
        raise ValueError("the services are not those of the suite")
    return Plan(
        image=image,
        suite=tree,
        argv=tuple(suite["command"]),
        workdir=document["workdir"],
        environment=dict(document["environment"]),
        user=_parse_user(document["user"]),
        capabilities=(),
        deadline=suite["timeout"],
        artifacts=tuple(suite["artifacts"]),
        results=_results(suite["results"], document["workdir"]),
        variants=variants,
        services=services,
        grace=GRACE if "shutdown" in suite["behavior"] else 0,
    )


def _results(results: Any, workdir: str) -> str:  # noqa: ANN401 - as a spec has it
    if isinstance(results, Mapping):
        return str(PurePosixPath(workdir) / results["junit"])
    return plugin.RESULTS if results == Results.PYTEST else ""


def _parse_user(value: Mapping[str, Any]) -> User:
    return User(
        uid=value["uid"], gid=value["gid"], groups=tuple(value["groups"]), home=value["home"], named=value["named"]
    )


def _parse_service(value: Mapping[str, Any], images: Mapping[str, str]) -> Service:
    ready = value["ready"]
    return Service(
        name=value["name"],
        image=Digest(images[value["name"]]),
        argv=tuple(value["argv"]),
        workdir=value["workdir"],
        environment=dict(value["environment"]),
        user=_parse_user(value["user"]),
        ready=Ready(port=ready["port"], within=ready["within"]) if ready else None,
    )
