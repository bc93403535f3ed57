import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from pipeline import preparation
from pipeline.bills.bill import Bill, Subject, hashes
from pipeline.bills.formats import FORMATS, render
from pipeline.bills.provenance import PREDICATE
from pipeline.bills.purl import image_url, package_url
from pipeline.bills.trees import Tree
from pipeline.build.artifact import Artifact, LockedPackage
from pipeline.build.lock import Lock, LockedTree, Platform
from pipeline.cli import bill as verb
from pipeline.declare.errors import LockError, SpecError
from pipeline.declare.read import read_specs
from pipeline.origin import statements
from runtime.digest import Digest
from runtime.oci.platform import own_architecture
from runtime.plan import Variant

ROOT = Path(__file__).parents[3]
WORDS = st.from_regex(r"[a-z0-9][!-.0-~]{0,12}", fullmatch=True)
HEX = "0123456789abcdef"


def package(name="tzdata", version="2026a-0+deb12u1", architecture="all", **artifact):
    fields = {"source": f"debian:pool/main/{name}_{version}.deb", "size": 7, "hash": f"sha256:{'a' * 64}"}
    return LockedPackage(
        name=name, version=version, architecture=architecture, artifact=Artifact(**{**fields, **artifact})
    )


def lock(*packages, **fields):
    tree = LockedTree(debian=tuple(packages))
    known = {"epoch": 1_700_000_000, "locked": 1_800_000_000, "debian": "bookworm", **fields}
    return Lock(answers=Digest.of(b"spec"), platforms={"amd64": Platform(image=tree, suite=LockedTree())}, **known)


def bill(*packages, locked=None, **subject):
    named = {"name": "web", "architecture": "amd64", "manifest": Digest.of(b"image"), "distribution": "bookworm"}
    found = locked or lock(*packages)
    return Bill.of(Subject(**{**named, **subject}), found.platforms["amd64"].image, found)


@given(
    name=WORDS,
    version=WORDS,
    architecture=st.sampled_from(["amd64", "all", "arm64"]),
    archive=st.sampled_from(["debian", "debian-security"]),
)
def test_package_url_of_debian_is_read_back_by_another_implementation(name, version, architecture, archive):
    found = PackageURL.from_string(
        package_url(package(name, version, architecture, source=f"{archive}:pool/x.deb"), "trixie")
    )
    assert (found.type, found.namespace, found.name, found.version) == ("deb", "debian", name, version)
    assert found.qualifiers == {"arch": architecture, "distro": "trixie"}


@given(name=st.from_regex(r"[a-z0-9]+([-_.][a-z0-9]+)*", fullmatch=True), version=WORDS)
def test_package_url_of_a_wheel_names_its_project_as_the_index_does(name, version):
    file = f"{name}-{version.replace('..', '.')}-py3-none-any.whl"
    found = PackageURL.from_string(package_url(package(name, version, "", source=f"pypi:{file}"), "bookworm"))
    assert (found.type, found.namespace, found.version) == ("pypi", None, version)
    assert found.name == name.replace("_", "-").replace(".", "-")
    assert found.qualifiers == {"file_name": file}


@pytest.mark.parametrize(("name", "scope"), [("big.js", None), ("@types/node", "@types")])
def test_package_url_of_npm_has_the_scope_as_its_namespace(name, scope):
    text = package_url(package(name, "1.0.0-rc.1+x", "", source=f"npm:{name}@1.0.0-rc.1+x"), "bookworm")
    found = PackageURL.from_string(text)
    assert (found.type, found.namespace, found.name) == ("npm", scope, name.rpartition("/")[2])
    assert found.version == "1.0.0-rc.1+x"
    assert text == found.to_string()


def test_package_url_is_written_as_another_implementation_writes_it():
    colon = package("bsdutils", "1:2.38.1-5+deb12u3~1", "amd64")
    wheel = package("Foo_bar", "1+local", "", source="pypi:Foo_bar-1+local.tar.gz")
    manifest = Digest.of(b"image")
    for url in (
        package_url(colon, "bookworm"),
        package_url(wheel, "bookworm"),
        image_url("a/b/Web", manifest, "arm64"),
    ):
        assert PackageURL.from_string(url).to_string() == url
    assert image_url("a/b/Web", manifest, "arm64") == f"pkg:oci/web@{manifest}?arch=arm64"


def test_package_of_an_archive_without_a_type_is_generic_and_told_apart_by_its_hash():
    url = package_url(package("model", "", "", source="files:model.bin", hash=f"sha512:{'b' * 128}"), "bookworm")
    assert url == f"pkg:generic/model?checksum=sha512:{'b' * 128}"
    assert PackageURL.from_string(url).qualifiers == {"checksum": f"sha512:{'b' * 128}"}


def test_every_hash_of_the_lock_is_told():
    both = package(hash=f"sha512:{'b' * 128}", sha256="c" * 64)
    assert hashes(both.artifact) == {"sha512": "b" * 128, "sha256": "c" * 64}
    texts = [render(each, bill(both), "") for each in FORMATS]
    assert all("b" * 128 in text and "c" * 64 in text for text in texts)
    alone = package(hash=f"sha512:{'b' * 128}")
    assert hashes(alone.artifact) == {"sha512": "b" * 128}


@given(st.permutations([package(name) for name in ("zlib1g", "base-files", "tzdata", "libc6")]))
def test_order_of_the_lock_does_not_matter(packages):
    found = bill(*packages, locked=replace(lock(*packages), answers=Digest.of(b"spec")))
    assert [each.name for each in found.packages] == ["base-files", "libc6", "tzdata", "zlib1g"]


@pytest.mark.parametrize("name", FORMATS)
def test_equal_bills_give_equal_bytes_whenever_the_lock_was_made(name):
    first, later = lock(package()), lock(package(), locked=1_900_000_000)
    assert render(name, bill(locked=first), "1.0") == render(name, bill(locked=later), "1.0")


@pytest.mark.parametrize(
    "other",
    [
        bill(package(), manifest=Digest.of(b"other")),
        bill(package(), name="app"),
        bill(package(), architecture="arm64"),
        bill(package(), distribution="trixie"),
        bill(package(), below=Digest.of(b"image")),
        bill(package(hash=f"sha256:{'b' * 64}")),
        bill(locked=lock(package(), epoch=1_700_000_001)),
    ],
    ids=["manifest", "name", "architecture", "distribution", "below", "hash", "epoch"],
)
def test_other_bill_has_another_identity(other):
    assert other.identity("spdx") != bill(package()).identity("spdx")
    assert bill(package()).identity("spdx") != bill(package()).identity("cyclonedx")


def test_file_that_is_locked_twice_is_refused():
    with pytest.raises(LockError, match="is locked 2 times in web"):
        bill(package(), package(hash=f"sha256:{'b' * 64}"))


def test_no_time_but_the_epoch_is_told():
    for name in FORMATS:
        text = render(name, bill(package()), "")
        assert "2023-11-14T22:13:20Z" in text
        assert "2027-01" not in text  # when the archives were read


def test_version_of_the_builder_is_told_by_provenance_alone():
    for name in FORMATS:
        assert ("9.8.7" in render(name, bill(package()), "9.8.7")) == (name == "provenance")
    assert "version" not in json.loads(render("provenance", bill(package()), ""))["predicate"]["runDetails"]["builder"]


def test_command_offers_the_formats_that_there_are():
    assert tuple(FORMATS) == verb.FORMATS


def spec(*architectures, services=()):
    return SimpleNamespace(path=Path("envs/web.yaml"), architectures=architectures, services=dict.fromkeys(services))


@pytest.mark.parametrize(
    ("part", "architecture", "message", "hint"),
    [
        ("picture", None, "no tree 'picture'", "image, suite, services/db"),
        ("services/cache", None, "no tree 'services/cache'", "services/db"),
        ("image", "sparc", "image is not built for 'sparc'", "one of: arm64, s390x"),
        ("services/db", "s390x", "services/db is not built for 's390x'", f"one of: {own_architecture()}"),
    ],
)
def test_tree_that_the_spec_has_not_is_refused_with_those_that_it_has(part, architecture, message, hint):
    with pytest.raises(SpecError, match=message) as found:
        Tree.find(spec("arm64", "s390x", services=["db"]), part, architecture)
    assert hint in found.value.hint


def test_tree_is_of_this_machine_where_the_spec_has_it_and_else_of_the_first():
    own = own_architecture()
    assert Tree.find(spec("s390x", own), "image", None).architecture == own
    assert Tree.find(spec("riscv64", "mips"), "suite", None).architecture == "riscv64"
    assert Tree.find(spec("s390x", own), "image", "s390x").architecture == "s390x"


def test_each_tree_has_its_own_packages_and_its_own_subject():
    (orders,) = read_specs([ROOT / "envs" / "examples" / "orders.yaml"])
    trees = {name: LockedTree(debian=(package(f"lib{name}"),)) for name in ("image", "suite", "db", "cache")}
    services = {name: trees[name] for name in ("db", "cache")}
    platform = Platform(image=trees["image"], suite=trees["suite"], services=services)
    found = replace(lock(), platforms={own_architecture(): platform})
    digests = {name: Digest.of(name.encode()) for name in trees}
    built = [Variant(architecture=own_architecture(), image=digests["image"], suite=digests["suite"])]
    for part, name in (("image", "image"), ("suite", "suite"), ("services/db", "db"), ("services/cache", "cache")):
        each = Tree.find(orders, part, None).bill(orders, found, built, digests)
        assert [package.name for package in each.packages] == [f"lib{name}"]
        assert each.subject.manifest == digests[name]
        assert each.subject.below == (digests["image"] if part == "suite" else None)
        assert each.subject.name == ("orders" if part == "image" else f"orders/{part}")


def test_bill_of_a_spec_without_a_lock_names_the_command_that_makes_one(tmp_path):
    path = tmp_path / "web.yaml"
    path.write_text("seatrial: 1\nimage: {debian: bookworm}\nsuite: {command: [a]}\n")
    options = preparation.Options(store=tmp_path / "store")
    with pytest.raises(LockError, match="has no lock") as found:
        preparation.bill(path, options, "image", None, lambda _: None)
    assert found.value.hint == f"run `seatrial lock {path}`"


def test_what_only_stages_have_is_told_by_provenance_alone():
    libc, compiler, linker = (package(name) for name in ("libc6", "gcc", "binutils"))
    found = lock(libc)
    stages = {
        "build": LockedTree(debian=(compiler, libc)),
        "more": LockedTree(debian=(linker, compiler)),
    }
    subject = Subject(name="web", architecture="amd64", manifest=Digest.of(b"image"), distribution="bookworm")
    whole = Bill.of(subject, found.platforms["amd64"].image, found, stages)
    assert [each.name for each in whole.packages] == ["libc6"]
    for name in ("cyclonedx", "spdx"):
        assert render(name, whole, "") == render(name, bill(libc), "")
    told = json.loads(render("provenance", whole, ""))["predicate"]["buildDefinition"]["resolvedDependencies"]
    stages_of = {each["name"]: each["annotations"].get("stages") for each in told}
    assert stages_of == {"libc6": None, "binutils": "more", "gcc": "build,more"}


@pytest.mark.parametrize(("part", "names"), [("image", {"libc6", "gcc"}), ("suite", {"m4"})])
def test_tree_has_the_stages_that_its_own_files_come_from(tmp_path, part, names):
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "web.yaml").write_text(
        "seatrial: 1\nimage:\n  debian: bookworm\n  stages: {app: {run: [[a]]}, tests: {run: [[b]]}}\n"
        "  files: [{stage: app, from: /out/a, to: /a}]\n"
        "suite: {command: [a], results: exit, files: [{stage: tests, from: /out/b, to: /b}]}\n"
    )
    (spec,) = read_specs([tmp_path / "web.yaml"])
    stages = {"app": LockedTree(debian=(package("gcc"),)), "tests": LockedTree(debian=(package("m4"),))}
    tree = LockedTree(debian=(package("libc6"),), stages=stages)
    found = replace(lock(), platforms={"amd64": Platform(image=tree, suite=LockedTree())})
    variant = Variant(architecture="amd64", image=Digest.of(b"image"), suite=Digest.of(b"suite"))
    whole = Tree(part=part, architecture="amd64").bill(spec, found, [variant], {})
    assert {each.name for each in (*whole.packages, *(each.package for each in whole.inputs))} == names


def test_what_is_signed_of_an_image_is_what_the_command_prints():
    found = bill(package(), package("zlib1g", "1:1.2.13"))
    signed = {each.predicate_type: each for each in statements(found, "1.0")}
    assert all(each.to_bytes() and each.subjects[0].digest == found.subject.manifest for each in signed.values())
    printed = {name: json.loads(render(name, found, "1.0")) for name in FORMATS}
    assert signed.pop("https://cyclonedx.org/bom").predicate == printed["cyclonedx"]
    assert signed.pop("https://spdx.dev/Document").predicate == printed["spdx"]
    assert signed.pop(PREDICATE).predicate == printed["provenance"]["predicate"]
    assert not signed
