"""SPDX 2.3, as JSON.

Source: SPDX specification 2.3 (ISO/IEC 5962 is its 2.2.1), clauses 6, 7 and 11.
"""

import re

from pipeline.bills.bill import Bill, hashes
from pipeline.bills.purl import image_url
from pipeline.build.artifact import LockedPackage
from runtime.canonical import Json
from runtime.digest import Digest

NAME = "spdx"

_DOCUMENT = "SPDXRef-DOCUMENT"
_SUBJECT = "SPDXRef-Subject"


def document(bill: Bill) -> dict[str, Json]:
    """Return the bill as an SPDX document: it describes the tree, which contains its packages.

    SPDX has no field for the length of a file: it is in ``sourceInfo``, behind the place in the archive. Where a file
    was fetched from is no part of a lock, so ``downloadLocation`` asserts nothing.
    """
    contained: list[Json] = [
        {"spdxElementId": _SUBJECT, "relationshipType": "CONTAINS", "relatedSpdxElement": _identifier(each)}
        for each in bill.packages
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": bill.subject.name,
        "documentNamespace": f"https://seatrial.dev/bills/spdx/{bill.identity(NAME)}",
        "creationInfo": {"created": bill.created, "creators": ["Tool: seatrial"]},
        "packages": [_subject(bill), *(_package(bill, each) for each in bill.packages)],
        "relationships": [
            {"spdxElementId": _DOCUMENT, "relationshipType": "DESCRIBES", "relatedSpdxElement": _SUBJECT},
            *contained,
        ],
    }


def _subject(bill: Bill) -> dict[str, Json]:
    subject = bill.subject
    below = f", over the image {subject.below}" if subject.below else ""
    return {
        "SPDXID": _SUBJECT,
        "name": subject.name,
        "versionInfo": subject.manifest.text,
        "primaryPackagePurpose": "APPLICATION" if subject.below else "CONTAINER",
        "sourceInfo": f"built from the lock {bill.lock}{below}",
        "checksums": [{"algorithm": "SHA256", "checksumValue": subject.manifest.hex}],
        **_unasserted(image_url(subject.name, subject.manifest, subject.architecture)),
    }


def _package(bill: Bill, package: LockedPackage) -> dict[str, Json]:
    file = package.artifact
    return {
        "SPDXID": _identifier(package),
        "name": package.name,
        **({"versionInfo": package.version} if package.version else {}),
        "packageFileName": file.name,
        "sourceInfo": f"{file.source}, {file.size} bytes",
        "checksums": [
            {"algorithm": algorithm.upper(), "checksumValue": digits}
            for algorithm, digits in sorted(hashes(file).items())
        ],
        **_unasserted(bill.url(package)),
    }


def _unasserted(url: str) -> dict[str, Json]:
    """Return a package's URL, and the fields that say what is not known of it."""
    return {
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "supplier": "NOASSERTION",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url},
        ],
    }


def _identifier(package: LockedPackage) -> str:
    """Return an identifier of letters, digits, dots and dashes (clause 7.2): a name to read, and what it differs by."""
    name = re.sub("[^A-Za-z0-9.]+", "-", package.name)
    return f"SPDXRef-{name}-{Digest.of(package.artifact.source.encode()).hex[:16]}"
