"""An image, its suite and what was asked of it, in a layout."""

import json
from types import MappingProxyType

from pipeline.release.suite_question import SuiteQuestion
from pipeline.verify import plugin
from pipeline.verify.inquiry import Inquiry
from pipeline.verify.normalization import Mask, Normalization
from pipeline.verify.observe import SuiteFacts, suite_document
from pipeline.verify.rules import Flaky, Ignore, Rules
from pipeline.verify.suite import Results
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.descriptor import CONFIG, LAYER_TAR, MANIFEST
from runtime.oci.image import SUITE, SUITE_CONFIG
from runtime.plan import Plan, Ready, Service, User, Variant

NORMALIZATION = Normalization(
    unstable=frozenset({"tests/test_a.py::test_now"}),
    unstable_artifacts=frozenset({"out/time.json"}),
    masks=MappingProxyType({"stdout": (Mask(fixed=(b"took ", b" s")),)}),
)
RECORD = {"format": 1, "suite": "s", "tests": {"a": {"outcome": "passed", "phase": "call"}}}


def tree(layout, content=b"\0" * 1024, config=CONFIG, **manifest):
    """Put an image, or a suite's tree, into a layout; return the digest of its manifest."""
    layer = layout.write(content, LAYER_TAR)
    said = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer.digest.text]}}
    described = layout.write(json.dumps(said).encode(), config)
    document = {"schemaVersion": 2, "config": described.to_json(), "layers": [layer.to_json()], **manifest}
    return layout.write(json.dumps(document).encode(), MANIFEST).digest


def suite(layout):
    return tree(layout, b"\1" + b"\0" * 1023, SUITE_CONFIG, artifactType=SUITE)


def question(layout, **changes):
    """Return a question that uses all that one can hold; ``changes`` are those of the inquiry."""
    image, tests, db = tree(layout), suite(layout), tree(layout, b"\2" + b"\0" * 1023)
    document = suite_document(
        tree=tests,
        command=("python3", "-m", "pytest"),
        results="pytest",
        timeout=600_000,
        network="loopback",
        artifacts=("out/*.json", "a"),
        output=("stdout",),
        behavior=("shutdown",),
        services={"db": db},
    )
    service = Service(
        name="db",
        image=db,
        argv=("db", "-D"),
        workdir="/var",
        environment={"A": "ü"},
        user=User(uid=70, gid=71, groups=(5,), home="/var", named=False),
        ready=Ready(port=5432, within=1000),
    )
    plan = Plan(
        image=image,
        suite=tests,
        argv=("python3", "-m", "pytest"),
        workdir="/app",
        environment={"PATH": "/bin", "MODE": "x"},
        user=User(uid=1000, gid=1000, home="/home/app"),
        capabilities=(),
        deadline=600_000,
        artifacts=("a", "out/*.json"),
        results=plugin.RESULTS,
        variants=(Variant(architecture="amd64", image=image, suite=tests),),
        services=(service,),
        grace=5000,
    )
    facts = SuiteFacts(
        digest=Digest.of_json(document),
        command=plan.argv,
        results=Results.PYTEST,
        output=("stdout",),
        behavior=("shutdown",),
        shadows=("test",),
        document=document,
    )
    rules = Rules(flaky=Flaky.FAIL, ignore=(Ignore(test="a*", host="openshift", reason="known"),))
    given = {
        "name": "web",
        "spec": "web",
        "lock": Digest.of(b"lock"),
        "image": image,
        "suite": facts,
        "plan": plan,
        "reference": Host(name="reference", factors={"umask": "0022"}),
        "hosts": (),
        "rules": rules,
        "normalization": NORMALIZATION,
    }
    return SuiteQuestion(inquiry=Inquiry(**(given | changes)))
