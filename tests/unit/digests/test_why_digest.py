"""Each cause is injected alone, and has to be named with its place; nothing else may be."""

import gzip
import hashlib
import json
import re
import sys
import tarfile
import time
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from crafted_image import CONFIG, GZIP, MANIFEST, Crafted, entry, lay_index, pack

from pipeline.cli.command_line import start
from pipeline.digests.differences import Cause
from pipeline.digests.documents import changed_fields
from pipeline.digests.why import why_digest
from runtime.errors import DigestError, ImageError, StoreError
from runtime.oci.layout import Layout
from runtime.oci.refusal import RefusedError

BASE = (entry("etc/"), entry("etc/a", b"one\ntwo\nthree\n"), entry("etc/link", type=tarfile.SYMTYPE, linkname="a"))
TOP = (entry("app"), entry("data", bytes(range(256))))
LOWER, UPPER = pack(*BASE), pack(*TOP)
DOCKER = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)


def upper(*entries, **options):
    return Crafted(LOWER, pack(*entries, **options))


def with_entry(name, content=b"", **fields):
    """The image of which one entry of the upper layer is another."""
    changed = entry(name, content, **fields)
    return upper(*(changed if each[0].name == name else each for each in TOP))


PLAIN = Crafted(LOWER, UPPER)
LATER = "2025-01-01T00:00:00Z"
HISTORY = [{"created": "2024-01-01T00:00:00Z", "created_by": f"step {each}"} for each in range(3)]
ZSTD = zstandard.ZstdCompressor().compress
CASES = {
    "manifest media type": (
        Crafted(LOWER, UPPER, kinds=(DOCKER[0], CONFIG, GZIP)),
        "media-type",
        "manifest",
        "mediaType",
    ),
    "config media type": (
        Crafted(LOWER, UPPER, kinds=(MANIFEST, DOCKER[1], GZIP)),
        "media-type",
        "manifest",
        "config.mediaType",
    ),
    "annotation": (
        Crafted(LOWER, UPPER, manifest={"annotations": {"a.b": "c"}}),
        "annotation",
        "manifest",
        "annotations",
    ),
    "descriptor annotation": (
        Crafted(LOWER, descriptor={"annotations": {"a.b/c": "d"}}),
        "annotation",
        "manifest",
        "layers[0].annotations",
        Crafted(LOWER),
    ),
    "artifact type": (
        Crafted(LOWER, UPPER, manifest={"artifactType": "x/y"}),
        "manifest-field",
        "manifest",
        "artifactType",
    ),
    "architecture": (
        Crafted(LOWER, UPPER, config={"architecture": "arm64"}),
        "config-field",
        "config",
        "architecture",
    ),
    "created": (Crafted(LOWER, UPPER, config={"created": LATER}), "config-field", "config", "created"),
    "history": (
        Crafted(LOWER, UPPER, config={"history": [*HISTORY[:1], {**HISTORY[1], "created": LATER}, *HISTORY[2:]]}),
        "config-field",
        "config",
        "history[1].created",
    ),
    "history put in": (
        Crafted(LOWER, UPPER, config={"history": [{"created_by": "new"}, *HISTORY]}),
        "config-field",
        "config",
        "history[0]",
    ),
    "order of variables": (
        Crafted(LOWER, UPPER, config={"config": {"Env": ["A=1", "PATH=/bin"], "Cmd": ["sh"]}}),
        "config-order",
        "config",
        "config.Env",
    ),
    "config key order": (
        Crafted(LOWER, UPPER, config={"config": {"Cmd": ["sh"], "Env": ["PATH=/bin", "A=1"]}}),
        "json-form",
        "config",
        "config",
    ),
    "gzip level": (
        Crafted(LOWER, UPPER, compress=lambda raw: gzip.compress(raw, 1, mtime=0)),
        "layer-compression",
        {"layer 1", "layer 2"},
        "",
    ),
    "zstd": (
        Crafted(LOWER, UPPER, compress=ZSTD, kinds=(MANIFEST, CONFIG, GZIP.replace("gzip", "zstd"))),
        "layer-compression",
        {"layer 1", "layer 2"},
        "",
    ),
    "layer order": (
        Crafted(UPPER, LOWER),
        "layer-order",
        "layers",
        "",
    ),
    "squash": (Crafted(pack(*BASE, *TOP)), "layer-split", "layers", ""),
    "split": (Crafted(LOWER, pack(TOP[0]), pack(TOP[1])), "layer-split", "layers", ""),
    "divided otherwise": (Crafted(pack(*BASE, TOP[0]), pack(TOP[1])), "layer-split", "layers", ""),
    "content": (with_entry("app", b"x"), "entry-content", "layer 2", "app"),
    "mode": (with_entry("app", mode=0o755), "entry-mode", "layer 2", "app"),
    "owner": (with_entry("app", uid=7), "entry-owner", "layer 2", "app"),
    "time": (with_entry("app", mtime=5), "entry-time", "layer 2", "app"),
    "attributes": (
        with_entry("app", pax_headers={"SCHILY.xattr.user.a": "b"}),
        "entry-xattrs",
        "layer 2",
        "app",
    ),
    "type": (with_entry("app", type=tarfile.SYMTYPE, linkname="data"), "entry-type", "layer 2", "app"),
    "target": (
        Crafted(pack(*BASE[:2], entry("etc/link", type=tarfile.SYMTYPE, linkname="b")), UPPER),
        "entry-target",
        "layer 1",
        "etc/link",
    ),
    "added": (upper(*TOP, entry("new")), "entry-added", "layer 2", "new"),
    "removed": (upper(TOP[0]), "entry-removed", "layer 2", "data"),
    "order of entries": (upper(*reversed(TOP)), "tar-order", "layer 2", "app"),
    "user name": (with_entry("app", uname="root"), "tar-header", "layer 2", "app"),
    "finer time": (with_entry("app", pax_headers={"mtime": "1700000000.5"}), "tar-header", "layer 2", "app"),
    "GNU": (upper(*TOP, form=tarfile.GNU_FORMAT), "tar-header", "layer 2", "app"),
    "entry twice": (upper(entry("data"), *TOP), "tar-repeated", "layer 2", ""),
    "zeros": (upper(*TOP, end=512), "tar-end", "layer 2", ""),
}


@pytest.mark.bar("5 why digest")
@pytest.mark.parametrize("name", CASES)
def test_one_change_is_named_with_its_place_and_nothing_else_is(name, tmp_path):
    changed, cause, where, path, *base = CASES[name]
    plain = (base or [PLAIN])[0]
    found = why_digest(plain.lay(tmp_path / "one"), changed.lay(tmp_path / "two"), tmp_path)
    assert {each.cause for each in found.differences} == {Cause(cause)}, found.differences
    assert {each.where for each in found.differences} == (where if isinstance(where, set) else {where})
    assert found.differences[0].path == path
    assert not found.is_equal
    assert ("the same files" in found.sentence) == (not cause.startswith("entry-"))


@pytest.mark.parametrize("name", CASES)
def test_mirror_names_the_same_places(name, tmp_path):
    changed, _, _, _, *base = CASES[name]
    names = (base or [PLAIN])[0].lay(tmp_path / "one"), changed.lay(tmp_path / "two")
    there, back = why_digest(*names, tmp_path), why_digest(*reversed(names), tmp_path)
    swapped = {"entry-added": "entry-removed", "entry-removed": "entry-added"}
    assert sorted((swapped.get(each.cause, each.cause), each.where) for each in there.differences) == sorted(
        (each.cause, each.where) for each in back.differences
    )


def test_equal_images_are_equal_and_no_layer_is_opened(tmp_path):
    names = [PLAIN.lay(tmp_path / each) for each in ("one", "two")]
    for digest in json.loads(PLAIN.manifest)["layers"]:
        (tmp_path / "two/blobs/sha256" / digest["digest"][7:]).unlink()
    assert why_digest(*names, tmp_path).is_equal
    other = Crafted(LOWER, UPPER, config={"author": "me"}).lay(tmp_path / "three")
    for path in (tmp_path / "three/blobs/sha256").iterdir():
        if path.read_bytes().startswith(b"\x1f\x8b"):
            path.unlink()
    assert [each.path for each in why_digest(names[0], other, tmp_path).differences] == ["author"]


def test_changed_lines_of_short_text_are_shown(tmp_path):
    changed = Crafted(pack(BASE[0], entry("etc/a", b"one\n2\nthree\n"), BASE[2]), UPPER)
    (found,) = why_digest(PLAIN.lay(tmp_path / "one"), changed.lay(tmp_path / "two"), tmp_path).differences
    assert (found.path, found.lines) == ("etc/a", ("-two", "+2"))
    assert found.one.startswith("14 bytes, sha256:")


def test_whiteouts_are_applied_where_layers_are_squashed(tmp_path):
    hidden = Crafted(LOWER, pack(entry("etc/.wh.a"), *TOP))
    squashed = Crafted(pack(BASE[0], BASE[2], *TOP))
    found = why_digest(hidden.lay(tmp_path / "one"), squashed.lay(tmp_path / "two"), tmp_path)
    assert [each.cause for each in found.differences] == [Cause.LAYER_SPLIT]
    kept = why_digest(hidden.lay(tmp_path / "3"), Crafted(pack(*BASE, *TOP)).lay(tmp_path / "4"), tmp_path)
    assert [(each.cause, each.path) for each in kept.differences][1:] == [(Cause.ENTRY_ADDED, "etc/a")]


def test_docker_push_is_recognized_by_all_that_it_changes(tmp_path):
    pushed = Crafted(LOWER, UPPER, kinds=DOCKER, compress=lambda raw: gzip.compress(raw, 1, mtime=0))
    found = why_digest(PLAIN.lay(tmp_path / "one"), pushed.lay(tmp_path / "two"), tmp_path)
    assert found.sentence == (
        "the same files: the compression of layers 1, 2 differs (gzip of another level or program); the media types "
        "are Docker's, no longer OCI's, as `docker push` after a pull does"
    )


def test_index_and_one_of_its_images(tmp_path):
    index = lay_index(tmp_path / "index", PLAIN, Crafted(LOWER, config={"architecture": "arm64"}))
    found = why_digest(index, PLAIN.lay(tmp_path / "one"), tmp_path)
    assert [(each.cause, each.one) for each in found.differences] == [
        (Cause.INDEX, "an index of linux/amd64, linux/arm64")
    ]


def test_image_of_one_platform_in_two_indexes(tmp_path):
    arm = [Crafted(LOWER, config={"architecture": "arm64", "author": each}) for each in "ab"]
    names = [lay_index(tmp_path / f"{index}", PLAIN, each) for index, each in enumerate(arm)]
    (found,) = why_digest(*names, tmp_path).differences
    assert (found.cause, found.where, found.path) == (Cause.CONFIG_FIELD, "linux/arm64/config", "author")
    alone = lay_index(tmp_path / "alone", PLAIN)
    (missing,) = why_digest(names[0], alone, tmp_path).differences
    assert (missing.cause, missing.path, missing.two) == (Cause.PLATFORM, "linux/arm64", "")


def test_annotation_of_an_index(tmp_path):
    names = [lay_index(tmp_path / each, PLAIN, annotations={"a": each}) for each in ("x", "y")]
    (found,) = why_digest(*names, tmp_path).differences
    assert (found.cause, found.where, found.path) == (Cause.ANNOTATION, "index", "annotations.a")


@pytest.mark.parametrize("link", [False, True])
def test_archive_of_docker_save_is_compared_by_config_and_layers(link, tmp_path):
    twice = Crafted(LOWER, LOWER)
    saved = twice.save(tmp_path / "saved.tar", link=link)
    found = why_digest(twice.lay(tmp_path / "one"), saved, tmp_path)
    assert found.is_equal
    assert "has no manifest" in found.sentence
    changed = Crafted(LOWER, pack(*BASE[:2])).save(tmp_path / "other.tar")
    (other,) = why_digest(saved, changed, tmp_path).differences
    assert (other.cause, other.where, other.path) == (Cause.ENTRY_REMOVED, "layer 2", "etc/link")


@pytest.mark.parametrize("indent", [1, 3])
def test_white_space_alone_is_the_form(indent, tmp_path):
    wide = Crafted(LOWER, UPPER, write=lambda value: json.dumps(value, indent=indent).encode())
    found = why_digest(PLAIN.lay(tmp_path / "one"), wide.lay(tmp_path / "two"), tmp_path)
    assert [(each.cause, each.where, each.one, each.two) for each in found.differences] == [
        (Cause.JSON_FORM, "manifest", "on one line", f"indented by {indent}"),
        (Cause.JSON_FORM, "config", "on one line", f"indented by {indent}"),
    ]


def test_layer_that_is_not_what_its_config_says_is_refused(tmp_path):
    lie = Crafted(LOWER, UPPER, compress=lambda raw: gzip.compress(raw.replace(b"two", b"TWO"), mtime=0))
    with pytest.raises(RefusedError, match="diff-id"):
        why_digest(PLAIN.lay(tmp_path / "one"), lie.lay(tmp_path / "two"), tmp_path)


@pytest.mark.parametrize("entries", [[entry("../x")], [entry("a", type=tarfile.CHRTYPE)], [entry("/a")]])
def test_hostile_layer_is_refused(entries, tmp_path):
    with pytest.raises(RefusedError):
        why_digest(PLAIN.lay(tmp_path / "one"), upper(*entries).lay(tmp_path / "two"), tmp_path)


def test_damaged_blob_is_an_error(tmp_path):
    name = PLAIN.lay(tmp_path / "one")
    other = Crafted(LOWER, UPPER, compress=lambda raw: gzip.compress(raw, 1, mtime=0))
    second = other.lay(tmp_path / "two")
    path = tmp_path / "two/blobs/sha256" / json.loads(other.manifest)["layers"][0]["digest"][7:]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(RefusedError, match="compression"):
        why_digest(name, second, tmp_path)


def test_what_is_no_archive_of_docker_save_is_an_error(tmp_path):
    cases = {
        "missing": (None, StoreError, "cannot be read"),
        "compressed": (gzip.compress(LOWER), StoreError, "is compressed"),
        "other": (LOWER, RefusedError, "no manifest.json"),
        "text": (b"hello" * 1000, RefusedError, "tar header"),
        "cut": (LOWER[:700], RefusedError, "ends in the middle"),
    }
    for name, (content, error, words) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(error, match=words):
            why_digest(f"docker-archive:{tmp_path / name}", PLAIN.lay(tmp_path / f"{name}.oci"), tmp_path)
    with pytest.raises(ImageError, match="names no file"):
        why_digest("docker-archive:", "x", tmp_path)
    with pytest.raises(StoreError, match="holds none"):
        why_digest("x", "y", tmp_path)


def test_command_prints_sentence_and_places_and_exits_as_it_found(capsys, tmp_path):
    one, two = PLAIN.lay(tmp_path / "one"), with_entry("app", b"x", mode=0o755).lay(tmp_path / "two")
    assert start(["why-digest", one, two], program="seatrial") == 1
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "other files: app (content, mode)"
    assert "layer 2: entry-mode\n  app\n    - 0644\n    + 0755\n" in shown
    assert start(["why-digest", one, two, "--json"], program="seatrial") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "https://seatrial.dev/why-digest/v1"
    assert [each["cause"] for each in document["differences"]] == ["entry-content", "entry-mode"]
    assert start(["why-digest", one, one], program="seatrial") == 0
    assert start(["why-digest", one, "oci:/nowhere"], program="seatrial") == 2


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, _JSON)
def test_documents_differ_exactly_where_a_field_is_named(one, two):
    assert not list(changed_fields(one, one))
    is_same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert bool(list(changed_fields(one, two))) != is_same


def test_added_layer_is_named_with_its_entries(tmp_path):
    names = PLAIN.lay(tmp_path / "one"), Crafted(LOWER, UPPER, pack(entry("c"))).lay(tmp_path / "two")
    for order, word in ((1, "added"), (-1, "removed")):
        found = why_digest(*names[::order], tmp_path).differences
        places = [(each.cause, each.where, each.path) for each in found]
        assert places == [(f"layer-{word}", "layer 3", ""), (f"entry-{word}", "layer 3", "c")]


def test_every_cause_has_a_case():
    elsewhere = {Cause.INDEX, Cause.PLATFORM, Cause.LAYER_ADDED, Cause.LAYER_REMOVED}
    assert {Cause(case[1]) for case in CASES.values()} | elsewhere == set(Cause)


def test_folder_of_skopeo_is_read_by_the_digests_of_its_blobs(tmp_path):
    folder = tmp_path / "flat"
    folder.mkdir()
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    (folder / "manifest.json").write_bytes(PLAIN.manifest)
    for content in PLAIN.blobs:
        (folder / hashlib.sha256(content).hexdigest()).write_bytes(content)
    one = PLAIN.lay(tmp_path / "one")
    assert why_digest(one, f"dir:{folder}", tmp_path).is_equal
    changed = with_entry("app", b"x").lay(tmp_path / "two")
    assert [each.path for each in why_digest(f"dir:{folder}", changed, tmp_path).differences] == ["app"]
    (folder / hashlib.sha256(PLAIN.config).hexdigest()).write_bytes(b"{}")
    with pytest.raises(DigestError, match="has the digest"):
        why_digest(one, f"dir:{folder}", tmp_path)
    with pytest.raises(StoreError, match="no folder of skopeo"):
        why_digest(one, f"dir:{tmp_path}", tmp_path)


def test_names_are_looked_up_in_the_store(tmp_path):
    store = tmp_path / "store"
    layouts = [each.lay(store / f"oci{index}") for index, each in enumerate((PLAIN, with_entry("app", b"x")))]
    layout = Layout(store / "oci")
    for name, source in zip(("web", "web2"), layouts, strict=True):
        found = Layout.existing(Path(source.removeprefix("oci:")))
        for digest in found.digests():
            layout.write(found.read(digest, 1 << 20), "x")
        layout.add_manifest(found.manifests()[0], name=name)
    digest = layout.resolve("web2").digest
    for second in ("web2", digest.text, f"oci:{store}/oci:web2", f"oci:{store}/oci@{digest}"):
        assert [each.path for each in why_digest("web", second, store).differences] == ["app"]
    with pytest.raises(StoreError, match="lists no image 'web3'") as missing:
        why_digest("web", "web3", store)
    assert missing.value.hint.startswith("it lists web, web2; ")
    with pytest.raises(ImageError, match="ambiguous: it lists 2 images"):
        why_digest("web", f"oci:{store}/oci", store)
    with pytest.raises(StoreError, match="is not in"):
        why_digest("web", f"sha256:{'0' * 64}", store)


_FIELDS = {
    "mode": (Cause.ENTRY_MODE, st.integers(0, 0o7777)),
    "uid": (Cause.ENTRY_OWNER, st.integers(0, 65534)),
    "gid": (Cause.ENTRY_OWNER, st.integers(0, 65534)),
    "mtime": (Cause.ENTRY_TIME, st.integers(0, 8**11 - 1)),
    "gname": (Cause.TAR_HEADER, st.sampled_from(["root", "staff"])),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_any_one_field_of_any_entry_is_named(tmp_path_factory, data):
    names = data.draw(st.lists(st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}", fullmatch=True), min_size=1, unique=True))
    at = data.draw(st.integers(0, len(names) - 1))
    field = data.draw(st.sampled_from(sorted(_FIELDS)))
    cause, values = _FIELDS[field]
    usual = getattr(entry("x")[0], field)
    value = data.draw(values.filter(lambda each: each != usual))
    form = data.draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
    folder = tmp_path_factory.mktemp("drawn")
    entries = [entry(name, name.encode()) for name in names]
    one = Crafted(pack(*entries, form=form), UPPER).lay(folder / "one")
    entries[at] = entry(names[at], names[at].encode(), **{field: value})
    two = Crafted(pack(*entries, form=form), UPPER).lay(folder / "two")
    (found,) = why_digest(one, two, folder).differences
    assert (found.cause, found.where, found.path) == (cause, "layer 1", names[at])


def test_page_lists_every_cause_and_no_other():
    page = (Path(__file__).parents[3] / "docs/reference/why-digest.md").read_text()
    table = page.partition("## Causes")[2].partition("## Seven")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert [each for cell in first for each in re.findall("`(.*?)`", cell)] == list(Cause)


def test_two_layers_that_differ_are_told_one_by_one_with_their_compression(tmp_path):
    zstd = {"compress": ZSTD, "kinds": (MANIFEST, CONFIG, GZIP.replace("gzip", "zstd"))}
    changed = Crafted(pack(*BASE, entry("new")), pack(*TOP[:1]), **zstd).lay(tmp_path / "two")
    found = why_digest(PLAIN.lay(tmp_path / "one"), changed, tmp_path)
    assert [(each.cause, each.where, each.path) for each in found.differences] == [
        (Cause.ENTRY_ADDED, "layer 1", "new"),
        (Cause.LAYER_COMPRESSION, "layer 1", ""),
        (Cause.ENTRY_REMOVED, "layer 2", "data"),
        (Cause.LAYER_COMPRESSION, "layer 2", ""),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("".join(f"{each % 120}\n" for each in range(4000)), "".join(f"{each * 7 % 120}\n" for each in range(4000))),
        ("x\n" * 8000, "x\ny\n" * 4000),
    ],
)
def test_lines_that_nothing_aligns_take_no_time(before, after, tmp_path):
    names = [upper(entry("t", each.encode())).lay(tmp_path / f"{index}") for index, each in enumerate((before, after))]
    start_of_walk = time.monotonic()
    (found,) = why_digest(*names, tmp_path).differences
    assert time.monotonic() - start_of_walk < 1
    assert found.lines[0].startswith(("-", "+"))
    assert found.lines[-1].endswith("more lines")


def test_lines_of_any_kind_are_told(tmp_path):
    texts = b"a\n-- x\n", b"a\n++ y\n@@ z\n"
    names = [upper(entry("t", each)).lay(tmp_path / f"{index}") for index, each in enumerate(texts)]
    (found,) = why_digest(*names, tmp_path).differences
    assert found.lines == ("--- x", "+++ y", "+@@ z")
