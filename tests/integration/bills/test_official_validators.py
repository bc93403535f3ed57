"""Bills of the repository's own locks, read back and judged by the libraries of those who define the formats.

What a document lists is taken from their objects, and what it has to list from the lock's plain JSON: no code of ours
reads either side.
"""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from packageurl import PackageURL
from spdx_tools.spdx.model import RelationshipType
from spdx_tools.spdx.parser.error import SPDXParsingError
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from pipeline.bills.bill import Bill, Subject
from pipeline.bills.formats import FORMATS, render
from pipeline.build.lock import read_lock
from runtime.digest import Digest

ROOT = Path(__file__).parents[3]
LOCKS = sorted([*ROOT.glob("envs/*.lock.json"), *ROOT.glob("envs/examples/*.lock.json")])
TREES = [
    pytest.param(path, architecture, part, id=f"{path.name.removesuffix('.lock.json')}-{architecture}-{part}")
    for path in LOCKS
    for architecture, section in json.loads(path.read_text())["architectures"].items()
    for part in ("image", "suite", *section.get("services", ()))
]


def section(path, architecture, part):
    """Return one tree of a lock, in plain JSON."""
    found = json.loads(path.read_text())["architectures"][architecture]
    return found.get(part) or found["services"][part]


def locked(tree):
    """Return what a tree of a lock pins: name, version, and hashes, of each package; its stages are no part of it."""
    return sorted(row(each) for key, kind in tree.items() if key != "stages" for each in kind)


def needed(tree):
    """Return the same with what the tree's stages have and it has not, each once."""
    held = {each["source"] for key, kind in tree.items() if key != "stages" for each in kind}
    stages = [each for stage in tree.get("stages", {}).values() for kind in stage.values() for each in kind]
    others = {each["source"]: each for each in stages if each["source"] not in held}
    return sorted([*locked(tree), *map(row, others.values())])


def row(package):
    return package["name"], package["version"], (tuple(package["hash"].split(":")),)


def text_of(name, path, architecture, part):
    """Return a tree's document; the lock's own digest stands for that of a manifest which is not built here."""
    lock = read_lock(path)
    platform = lock.platforms[architecture]
    tree = {"image": platform.image, "suite": platform.suite, **platform.services}[part]
    below = Digest.of(b"image") if part == "suite" else None
    subject = Subject(name=part, architecture=architecture, manifest=lock.digest, distribution=lock.debian, below=below)
    return render(name, Bill.of(subject, tree, lock, tree.stages), "0.1.0")


class RefusedError(Exception):
    """A library does not accept a document, or what it read does not hold together."""


def require(holds):
    if not holds:
        raise RefusedError("the document contradicts itself")


def read_cyclonedx(text):
    """Return what a CycloneDX document lists, and the digest that it is about."""
    faults = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True)
    if faults:
        raise RefusedError([str(each) for each in faults])
    bom = Bom.from_json(json.loads(text))
    (graph,) = (each for each in bom.dependencies if each.ref == bom.metadata.component.bom_ref)
    require(not any(each.dependencies for each in bom.dependencies if each is not graph))
    require({each.ref for each in graph.dependencies} == {each.bom_ref for each in bom.components})
    rows = [
        (each.name, each.version, tuple((h.alg.value.lower().replace("-", ""), h.content) for h in each.hashes))
        for each in bom.components
    ]
    require([row[:2] for row in rows_of_urls([each.purl for each in bom.components])] == named(rows))
    return sorted(rows), bom.metadata.component.version


def read_spdx(text):
    """Return what an SPDX document lists, and the digest that it is about."""
    try:
        document = JsonLikeDictParser().parse(json.loads(text))
    except SPDXParsingError as error:
        raise RefusedError(error.get_messages()) from error
    faults = validate_full_spdx_document(document, "SPDX-2.3")
    if faults:
        raise RefusedError([each.validation_message for each in faults])
    packages = {each.spdx_id: each for each in document.packages}
    (subject,) = (
        each.related_spdx_element_id
        for each in document.relationships
        if each.relationship_type is RelationshipType.DESCRIBES
    )
    contained = [
        packages[each.related_spdx_element_id]
        for each in document.relationships
        if each.relationship_type is RelationshipType.CONTAINS and each.spdx_element_id == subject
    ]
    require(len(contained) == len(packages) - 1)
    rows = [
        (each.name, each.version, tuple((sum_.algorithm.name.lower(), sum_.value) for sum_ in each.checksums))
        for each in contained
    ]
    urls = [PackageURL.from_string(ref.locator) for each in contained for ref in each.external_references]
    require([row[:2] for row in rows_of_urls(urls)] == named(rows))
    return sorted(rows), packages[subject].version


def read_provenance(text):
    """Return what a statement of provenance lists, and the digest that it is about.

    Every field is one of the messages' own: an unknown one is an error.
    """
    try:
        message = ParseDict(json.loads(text), statement_pb2.Statement())
        Statement.copy_from_pb(message).validate()
        predicate = ParseDict(MessageToDict(message.predicate), Provenance())
        for each in predicate.build_definition.resolved_dependencies:
            ResourceDescriptor.copy_from_pb(each).validate()
    except (ParseError, ValueError) as error:
        raise RefusedError(error) from error
    require(message.predicate_type == "https://slsa.dev/provenance/v1")
    # What SLSA requires, and protocol buffers cannot.
    if not (
        predicate.build_definition.build_type
        and predicate.build_definition.external_parameters
        and predicate.run_details.builder.id
    ):
        raise RefusedError("a field that SLSA requires is missing")
    packages = [each for each in predicate.build_definition.resolved_dependencies if each.uri]
    rows = [(each.name, each.annotations["version"], tuple(each.digest.items())) for each in packages]
    require([row[:2] for row in rows_of_urls([PackageURL.from_string(each.uri) for each in packages])] == named(rows))
    (subject,) = message.subject
    return sorted(rows), f"sha256:{subject.digest['sha256']}"


READERS = {"cyclonedx": read_cyclonedx, "spdx": read_spdx, "provenance": read_provenance}


def rows_of_urls(urls):
    return sorted((each.name, each.version) for each in urls)


def named(rows):
    """Return names, as package URLs have them, and versions."""
    return sorted((name.replace("_", "-"), version) for name, version, _ in rows)


@pytest.mark.bar("5 bills", slice=12)
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("path", "architecture", "part"), TREES)
def test_document_is_accepted_and_lists_exactly_what_is_locked(name, path, architecture, part):
    tree = section(path, architecture, part)
    rows, subject = READERS[name](text_of(name, path, architecture, part))
    assert rows == (needed(tree) if name == "provenance" else locked(tree))
    assert len(rows) >= sum(len(kind) for key, kind in tree.items() if key != "stages")
    assert subject == read_lock(path).digest.text


def drop_package(items):
    del items[-1]


def swap_hash(items):
    held = json.dumps(items[-1])
    (digits,) = re.findall("[0-9a-f]{64}", held)
    items[-1] = json.loads(held.replace(digits, digits[::-1]))


def bump_version(items):
    key = "versionInfo" if "versionInfo" in items[-1] else "version"
    held = items[-1]["annotations"] if "annotations" in items[-1] else items[-1]
    held[key] += ".1"


def list_twice(items):
    items.append({**copy.deepcopy(items[-1]), "name": "stowaway"})


PLACES = {
    "cyclonedx": ("components",),
    "spdx": ("packages",),
    "provenance": ("predicate", "buildDefinition", "resolvedDependencies"),
}


@pytest.mark.parametrize("change", [drop_package, swap_hash, bump_version, list_twice])
@pytest.mark.parametrize("name", FORMATS)
def test_document_that_was_changed_is_refused_or_not_equal(name, change):
    path = ROOT / "envs" / "bottle.lock.json"
    case = (path, "amd64", "suite")
    document = json.loads(text_of(name, *case))
    items = document
    for key in PLACES[name]:
        items = items[key]
    before = copy.deepcopy(items)
    change(items)
    assert items != before
    try:
        rows, _ = READERS[name](json.dumps(document))
    except RefusedError as refusal:
        print(refusal)
    else:
        assert rows != locked(section(*case))


def other_lock(change, folder):
    """Write a lock that is changed as a document was, and return its path; documents of it are whole."""
    lock = json.loads((ROOT / "envs" / "bottle.lock.json").read_text())
    change(lock["architectures"]["amd64"]["suite"]["python"])
    path = folder / "bottle.lock.json"
    path.write_text(json.dumps(lock))
    return path


def list_another(items):
    items.append({**items[-1], "name": "stowaway", "source": "pypi:stowaway.whl"})


@pytest.mark.parametrize("change", [drop_package, swap_hash, bump_version, list_another])
@pytest.mark.parametrize("name", FORMATS)
def test_whole_document_of_another_lock_is_accepted_and_not_equal(name, change, tmp_path):
    path = ROOT / "envs" / "bottle.lock.json"
    rows, _ = READERS[name](text_of(name, other_lock(change, tmp_path), "amd64", "suite"))
    assert rows != locked(section(path, "amd64", "suite"))
    assert rows == locked(section(tmp_path / "bottle.lock.json", "amd64", "suite"))


REQUIRED = {
    "cyclonedx": (("bomFormat",), ("components", 0, "name"), ("metadata", "component", "type")),
    "spdx": (("SPDXID",), ("packages", 0, "downloadLocation"), ("creationInfo", "creators")),
    "provenance": (("subject",), ("predicateType",), ("predicate", "runDetails", "builder", "id")),
}


@pytest.mark.parametrize(("name", "place"), [(name, place) for name, places in REQUIRED.items() for place in places])
def test_libraries_refuse_a_document_that_lacks_what_the_format_demands(name, place):
    document = json.loads(text_of(name, ROOT / "envs" / "bottle.lock.json", "amd64", "image"))
    READERS[name](json.dumps(document))
    at = document
    for key in place[:-1]:
        at = at[key]
    del at[place[-1]]
    with pytest.raises(RefusedError):
        READERS[name](json.dumps(document))


def command(store, *words, folder=ROOT, **environment):
    """Run ``seatrial bill``, and return what it writes on stdout."""
    program = (sys.executable, "-m", "pipeline.cli.main", "bill", "--store", str(store), *words)
    around = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(program, cwd=folder, env=around, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.network
@pytest.mark.bar("5 bills")
@pytest.mark.parametrize("name", FORMATS)
def test_command_tells_of_the_digests_that_build_prints_in_the_same_bytes_each_time(name, build, tmp_path):
    built = build("web")
    path = ROOT / "envs" / "web.lock.json"
    lists = {}
    for tree, digest in (("image", built.image), ("suite", built.suite)):
        words = (str(ROOT / "envs" / "web.yaml"), "--format", name, "--of", tree)
        first = command(built.store, *words)
        again = command(
            built.store, *words, "--jobs", "1", folder=tmp_path, TZ="Asia/Kolkata", LC_ALL="C", PYTHONHASHSEED="7"
        )
        assert first == again
        rows, subject = READERS[name](first.decode())
        assert rows == locked(section(path, "amd64", tree))
        assert subject == digest.text
        lists[tree] = {row[0] for row in rows}
    assert "pytest" in lists["suite"]
    assert not lists["image"] & lists["suite"]  # what only the tests need is in no image
