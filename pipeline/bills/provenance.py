"""How an image came about: SLSA provenance v1 in an in-toto statement v1.

Source: SLSA 1.0, "Provenance"; in-toto attestation framework, spec/v1, "Statement" and "ResourceDescriptor".
"""

from collections.abc import Sequence

from pipeline.bills.bill import Bill, hashes
from pipeline.build.artifact import LockedPackage
from runtime.canonical import Json
from runtime.digest import Digest

NAME = "provenance"

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://seatrial.dev/build/v1"
"""What ``docs/reference/bills.md`` describes."""
BUILDER = "https://seatrial.dev/builder/local/v1"
"""This program, on a machine that nobody but its user vouches for."""


def document(bill: Bill, version: str = "") -> dict[str, Json]:
    """Return the statement: this manifest was built from these packages, because of this spec and this lock.

    Those that only stages had are among them, with the names of the stages: of all documents in this one alone.

    It tells no time of building and no name of the machine: two builders of one lock say the same.

    Args:
        bill: what was built, and from what.
        version: of the builder; empty where it is not installed and has none.
    """
    subject = bill.subject
    builder: dict[str, Json] = {"id": BUILDER} | ({"version": {"seatrial": version}} if version else {})
    return {
        "_type": STATEMENT,
        "subject": [{"name": subject.name, "digest": _digest(subject.manifest)}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "tree": subject.name,
                    "architecture": subject.architecture,
                    "spec": bill.answers.text,
                    "lock": bill.lock.text,
                },
                "internalParameters": {"epoch": bill.created},
                "resolvedDependencies": [
                    *_below(bill),
                    *(_dependency(bill, each) for each in bill.packages),
                    *(_dependency(bill, each.package, each.stages) for each in bill.inputs),
                ],
            },
            "runDetails": {"builder": builder},
        },
    }


def _below(bill: Bill) -> list[Json]:
    """Return the image that a suite is laid over; an image is laid over nothing."""
    below = bill.subject.below
    return [{"name": "image", "digest": _digest(below)}] if below else []


def _dependency(bill: Bill, package: LockedPackage, stages: Sequence[str] = ()) -> dict[str, Json]:
    file = package.artifact
    facts = {"size": str(file.size), "source": file.source, "version": package.version}
    if stages:
        facts["stages"] = ",".join(stages)
    return {
        "name": package.name,
        "uri": bill.url(package),
        "digest": dict(sorted(hashes(file).items())),
        "annotations": facts,
    }


def _digest(digest: Digest) -> dict[str, Json]:
    return {"sha256": digest.hex}
