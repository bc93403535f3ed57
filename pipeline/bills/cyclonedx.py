"""CycloneDX 1.6, as JSON.

Source: CycloneDX 1.6, bom-1.6.schema.json (ECMA-424).
"""

from pipeline.bills.bill import Bill, hashes
from pipeline.bills.purl import image_url
from pipeline.build.artifact import LockedPackage
from runtime.canonical import Json

NAME = "cyclonedx"

_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


def document(bill: Bill) -> dict[str, Json]:
    """Return the bill as a CycloneDX document.

    The tree depends on each of its packages. Which of them need which others the lock does not hold, and the document
    says that it does not know; nor does it list the app's own files, which no lock pins.
    """
    root = bill.subject.manifest.text
    references = [each.artifact.source for each in bill.packages]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{bill.identity(NAME)}",
        "version": 1,
        "metadata": {
            "timestamp": bill.created,
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "seatrial"}]},
            "component": _subject(bill),
        },
        "components": [_component(bill, each) for each in bill.packages],
        "dependencies": [{"ref": root, "dependsOn": sorted(references)}],
        "compositions": [
            {"aggregate": "incomplete_third_party_only", "assemblies": [root]},
            {"aggregate": "unknown", "dependencies": sorted(references)},
        ],
    }


def _subject(bill: Bill) -> dict[str, Json]:
    subject = bill.subject
    facts = {"architecture": subject.architecture, "lock": bill.lock.text, "spec": bill.answers.text}
    if subject.below:
        facts["image"] = subject.below.text
    return {
        "type": "application" if subject.below else "container",
        "bom-ref": subject.manifest.text,
        "name": subject.name,
        "version": subject.manifest.text,
        "hashes": [{"alg": "SHA-256", "content": subject.manifest.hex}],
        "purl": image_url(subject.name, subject.manifest, subject.architecture),
        "properties": _properties(facts),
    }


def _component(bill: Bill, package: LockedPackage) -> dict[str, Json]:
    file = package.artifact
    return {
        "type": "library",
        "bom-ref": file.source,
        "name": package.name,
        **({"version": package.version} if package.version else {}),
        "hashes": [{"alg": _ALGORITHMS[name], "content": digits} for name, digits in sorted(hashes(file).items())],
        "purl": bill.url(package),
        "properties": _properties({"size": str(file.size), "source": file.source}),
    }


def _properties(facts: dict[str, str]) -> list[Json]:
    return [{"name": f"seatrial:{name}", "value": value} for name, value in sorted(facts.items())]
