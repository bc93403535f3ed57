"""A release that a gate lets in, in parts that attacks change: nothing that is tried writes the statements."""

import json
from dataclasses import replace

import evidence_world as evidence
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.declare.keyring_file import Role
from pipeline.declare.stage_file import LeastFidelity, LintDemand, Trust
from pipeline.declare.values import FlakyPolicy
from pipeline.release.checks.lint import Findings
from pipeline.release.checks.stage_before import Standing
from pipeline.release.gate import Question, judge
from pipeline.release.keyring import Holder, Keyring, Roots, print_time
from pipeline.release.policy import DemandedHost, Policy
from pipeline.release.released import Released
from runtime.digest import Digest
from runtime.host import Host

NOW = 1_800_000_000
HOUR = 3600
DAY = 24 * HOUR
VERIFIER, SECOND = evidence.ALICE, evidence.BOB
PROMOTER, REBUILDER, BUILDER, MACHINE, RETIRED = (
    ec.derive_private_key(number, ec.SECP256R1()) for number in (11, 12, 13, 14, 15)
)
REFERENCE = Host(name="reference", factors={})
HARDENED = Host(name="hardened", factors={"capabilities": "none", "root-filesystem": "read-only"})
DATED = Host(name="dated", factors={"date": "+400d"})
BEHAVIOR, SUITE, NORMALIZATION = (Digest.of(each) for each in (b"behavior", b"suite", b"normalization"))
PROD = Digest.of(b"policy of prod")
TEST = Digest.of(b"policy of test")
OURS = "https://seatrial.dev/acceptance/"


def demanded(host):
    return DemandedHost(name=host.name, digest=host.digest, factors=host.differing)


def holder(name, key, *roles, since=NOW - 300 * DAY, until=NOW + 300 * DAY):
    return Holder(name=name, key=evidence.public(key), roles=frozenset(roles), since=since, until=until)


def host_word(host, state="SAME", **changes):
    """Return what a statement says of a host."""
    return {
        "name": host.name,
        "digest": host.digest.text,
        "factors": dict(host.differing),
        "state": state,
        "verdict": "PASSED",
        "behavior": BEHAVIOR.text,
        "tests": {"passed": 3, "failed": 0, "errored": 0, "skipped": 1, "missing": 0},
        "runs": 2,
        "fidelity": "native",
        "emulated": [],
        "evidence": {"umask": "0022", **host.differing},
        "ambient": {"kernel": "6.1.0"},
        "sandbox": None,
        "differences": [],
        "more": 0,
    } | changes


def difference(**changes):
    return {
        "kind": "test",
        "id": "tests/test_a.py::test_b",
        "reference": "passed",
        "here": "failed",
        "cause": {"state": "CAUSED", "factors": {"capabilities": "none"}},
        "ignored": "",
    } | changes


class Blobs:
    """Satisfies ``Blobs``: content by digest."""

    def __init__(self):
        self.content = {}

    def put(self, value):
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.content[Digest.of(raw)] = raw
        return Digest.of(raw)

    def read(self, digest, limit):
        assert len(self.content[digest]) <= limit
        return self.content[digest]

    def image(self, architecture="amd64", salt="", archive=None, **changes):
        """Put an image there, and return its digest; of its layer nothing, unless its archive is given."""
        diff_id = self.put(archive) if archive else Digest.of(f"archive {architecture}{salt}".encode())
        config = {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id.text]}}
        described = self.put(config | changes)
        layer = diff_id if archive else Digest.of(f"layer {architecture}{salt}".encode())
        kind = "application/vnd.oci.image"
        return self.put(
            {
                "schemaVersion": 2,
                "config": self._descriptor(f"{kind}.config.v1+json", described),
                "layers": [
                    {
                        "mediaType": f"{kind}.layer.v1.tar",
                        "digest": layer.text,
                        "size": len(self.content.get(layer, b"12345")),
                    }
                ],
            }
        )

    def index(self, **images):
        """Put an index there with an image for each architecture, and return its digest."""
        kind = "application/vnd.oci.image.manifest.v1+json"
        listed = [
            {**self._descriptor(kind, each), "platform": {"os": "linux", "architecture": name.partition("_")[0]}}
            for name, each in images.items()
        ]
        return self.put(
            {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed}
        )

    def _descriptor(self, kind, digest):
        return {"mediaType": kind, "digest": digest.text, "size": len(self.content[digest])}


def told(image):
    """Return what statements say of an image."""
    return {
        "config": image.manifest["config"]["digest"],
        "layers": [each.descriptor.digest.text for each in image.layers],
        "diffIds": [each.text for each in image.diff_ids],
        "architecture": image.architecture,
    }


class World:
    """A question that a gate answers with yes, and the statements by which it does."""

    def __init__(self):
        self.blobs = Blobs()
        self.signed = {}
        self.raw = []
        self.keyring = Keyring(
            version=3,
            expires=NOW + 30 * DAY,
            roots=Roots(threshold=1, keys=()),
            holders=(
                holder("ci", VERIFIER, Role.VERIFIER),
                holder("second", SECOND, Role.VERIFIER),
                holder("release", PROMOTER, Role.PROMOTER),
                holder("other-builder", REBUILDER, Role.REBUILDER),
                holder("builder", BUILDER, Role.BUILDER, Role.REBUILDER),
                holder("retired", RETIRED, Role.VERIFIER, until=NOW - 10 * DAY),
            ),
        )
        self.policy = Policy(
            stage="prod",
            after="test",
            is_remote=True,
            trust=Trust.KEYRING,
            platforms=("amd64",),
            hosts=(demanded(REFERENCE), demanded(HARDENED)),
            roles=(Role.VERIFIER,),
            threshold=1,
            max_age=7 * DAY * 1000,
            fidelity=LeastFidelity.EMULATED,
            rebuilders=1,
            unstable=0,
            flaky=FlakyPolicy.FAIL,
            hermetic=True,
            lint=LintDemand.ERROR,
            ignores=(),
            soak=HOUR * 1000,
        )
        self.asked = {"app": "web", "now": NOW, "local": evidence.public(MACHINE)}
        self.take(self.blobs.image())

    def take(self, digest, platforms=()):
        """Make this the release, with all that a gate wants of it."""
        self.released = Released.open(self.blobs, digest, platforms)
        self.standing = Standing(stage="test", store="oci://registry/test/web", policy=TEST, live=digest, number=4)
        self.lint = {each.image.digest: Findings(errors=0, warnings=2) for each in self.released.images}
        self.signed.clear()
        for each in self.released.images:
            name = "" if each is self.released.images[0] else f" {each.architecture}"
            self.signed[f"verdict{name}"] = (self.verdict(each.image), VERIFIER)
            self.signed[f"rebuild{name}"] = (self.rebuild(each.image), REBUILDER)
            self.signed[f"provenance{name}"] = (self.provenance(each.image), BUILDER)
        self.signed["acceptance"] = (self.acceptance(), PROMOTER)

    @property
    def image(self):
        return self.released.images[0].image

    def verdict(self, image=None, at=NOW - 2 * HOUR, **changes):
        image = image or self.image
        predicate = {
            "verdict": "PASSED",
            "headline": "web behaves the same on 2 hosts",
            "image": told(image),
            "suite": SUITE.text,
            "lock": None,
            "behavior": BEHAVIOR.text,
            "normalization": NORMALIZATION.text,
            "unstable": [],
            "hermetic": True,
            "hosts": [host_word(REFERENCE, "REFERENCE"), host_word(HARDENED)],
            "ignored": [],
            "verifier": {"id": "https://seatrial.dev/verifier/local/v1", "version": {"seatrial": "0.1.0"}},
            "verifiedOn": print_time(at),
        }
        return _statement("https://seatrial.dev/portability/v1", predicate | changes, image.digest)

    def rebuild(self, image=None, **changes):
        image = image or self.image
        predicate = {
            "result": "REPRODUCED",
            "rebuilt": {"digest": {"sha256": image.digest.hex}},
            "recipe": {"digest": {"sha256": Digest.of(b"recipe").hex}},
            "architecture": image.architecture,
            "lock": Digest.of(b"lock").text,
            "spec": Digest.of(b"spec").text,
            "rebuilder": {"id": "https://seatrial.dev/rebuilder/local/v1"},
            "startedOn": print_time(NOW - 5 * HOUR),
            "finishedOn": print_time(NOW - 4 * HOUR),
        }
        return _statement("https://seatrial.dev/rebuild/v1", predicate | changes, image.digest)

    def provenance(self, image=None):
        return _statement("https://slsa.dev/provenance/v1", {"buildDefinition": {}}, (image or self.image).digest)

    def acceptance(self, at=NOW - 2 * HOUR, **changes):
        """Return the acceptance of the stage before; the fields of ours are named without the beginning of the URI."""
        hosts = [
            {"name": each.name, "digest": each.digest.text, "behavior": BEHAVIOR.text} for each in (REFERENCE, HARDENED)
        ]
        images = [
            {
                "digest": each.image.digest.text,
                **told(each.image),
                "suite": SUITE.text,
                "normalization": NORMALIZATION.text,
                "hosts": hosts,
            }
            for each in self.released.images
        ]
        predicate = {
            "verifier": {"id": "https://seatrial.dev/promoter/local/v1"},
            "timeVerified": print_time(at),
            "resourceUri": "oci://registry/test/web",
            "policy": {"uri": "https://seatrial.dev/policy/v1/test", "digest": {"sha256": TEST.hex}},
            "inputAttestations": [{"uri": "oci://registry/test/web@one", "digest": {"sha256": Digest.of(b"one").hex}}],
            "verificationResult": "PASSED",
            "verifiedLevels": ["SEATRIAL_HOSTS_2"],
            OURS + "stage": "test",
            OURS + "app": "web",
            OURS + "number": 4,
            OURS + "previous": None,
            OURS + "images": images,
            OURS + "expires": print_time(NOW + DAY),
        }
        ours = {OURS + name: value for name, value in changes.items() if OURS + name in predicate}
        others = {name: value for name, value in changes.items() if OURS + name not in predicate}
        return _statement("https://slsa.dev/verification_summary/v1", predicate | ours | others, *self.released.digests)

    def say(self, name="verdict", key=None, **changes):
        """Sign one of the statements again, with some of its predicate changed."""
        statement, signer = self.signed[name]
        self.signed[name] = ({**statement, "predicate": statement["predicate"] | changes}, key or signer)

    def of_host(self, number, name="verdict", **changes):
        """Sign a verdict again, with something changed of one host."""
        hosts = [dict(each) for each in self.signed[name][0]["predicate"]["hosts"]]
        hosts[number] |= changes
        self.say(name, hosts=hosts)

    def require(self, **changes):
        self.policy = replace(self.policy, **changes)

    def bundles(self):
        return [json.dumps(evidence.bundle(each, key)).encode() for each, key in self.signed.values()] + self.raw

    def question(self):
        return Question(
            policy=self.policy,
            released=self.released,
            keyring=self.keyring,
            standing=self.standing,
            lint=self.lint,
            **self.asked,
        )

    def decide(self):
        return judge(self.question(), self.bundles())


def _statement(kind, predicate, *digests):
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "web", "digest": {"sha256": each.hex}} for each in digests],
        "predicateType": kind,
        "predicate": predicate,
    }
