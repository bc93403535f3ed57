import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.digest import Digest
from runtime.errors import DigestError, ImageError
from runtime.oci.accounts import Account, find_account
from runtime.oci.reference import OTHERS, parse_reference
from runtime.oci.stacked import read_stacked

DIGEST = Digest.of(b"image")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n1000:x:5:5::/five:\nbroken\napp:x:1000:1001::/home//app:/bin/sh\n",
    "etc/group": "root:x:0:\nwheel:x:10:root,app\naudio:x:29:app\nself:x:1001:app\nbad:x:x:app\n",
}


def account(user, files=FILES):
    return find_account(user, lambda path: files.get(path, ""))


@pytest.mark.parametrize(
    ("text", "layout", "name", "digest"),
    [
        ("oci:DIR", "DIR", "", None),
        ("oci:/a/b", "/a/b", "", None),
        ("oci:DIR:web", "DIR", "web", None),
        ("oci:DIR:web:1.0", "DIR", "web:1.0", None),
        (f"oci:DIR@{DIGEST}", "DIR", "", DIGEST),
        (str(DIGEST), None, "", DIGEST),
        ("web", None, "web", None),
        ("web/services/db", None, "web/services/db", None),
    ],
)
def test_reference_is_read_as_skopeo_does(text, layout, name, digest):
    found = parse_reference(text)
    assert (found.text, str(found.layout) if found.layout else None, found.name, found.digest) == (
        text,
        layout,
        name,
        digest,
    )


@pytest.mark.parametrize("text", ["oci:", "oci::web", "oci:DIR:", "oci:DIR@", f"oci:DIR:web@{DIGEST}"])
def test_reference_without_a_part_is_refused(text):
    with pytest.raises(ImageError, match="names no image"):
        parse_reference(text)


@pytest.mark.parametrize("text", ["sha256:12", "oci:DIR@sha256:12", "oci:DIR@web"])
def test_digest_of_another_form_is_refused(text):
    with pytest.raises(DigestError):
        parse_reference(text)


@pytest.mark.parametrize("scheme", OTHERS)
def test_transport_of_others_is_refused_with_what_works(scheme):
    with pytest.raises(ImageError, match="oci:DIR") as caught:
        parse_reference(f"{scheme}:x")
    assert "skopeo copy" in caught.value.hint


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("", Account(uid=0, gid=0, home="/root", named=True)),
        ("root", Account(uid=0, gid=0, home="/root", named=True)),
        ("app", Account(uid=1000, gid=1001, groups=(10, 29), home="/home/app", named=True)),
        ("app:root", Account(uid=1000, gid=0, home="/home/app", named=True)),
        ("app:7", Account(uid=1000, gid=7, home="/home/app", named=True)),
        ("app:", Account(uid=1000, gid=1001, groups=(10, 29), home="/home/app", named=True)),
        ("1000", Account(uid=5, gid=5, home="/five", named=True)),  # a name that looks like an id is a name
        ("2000", Account(uid=2000, gid=0)),
        ("2000:3000", Account(uid=2000, gid=3000)),
        ("01000:29", Account(uid=1000, gid=29, home="/home/app", named=True)),
    ],
)
def test_user_is_found_as_engines_do(user, wanted):
    assert account(user) == wanted


@pytest.mark.parametrize("user", ["nobody", "-1", "app:nobody", "4294967296", "x:0", "\u0661"])
def test_unknown_user_is_refused(user):
    with pytest.raises(ImageError, match="has no"):
        account(user)


@pytest.mark.parametrize("home", ["home", "/a/../../b", "/a\x00b", "/a\nb", ""])
def test_home_that_is_no_plain_path_is_the_root(home):
    assert account("a", {"etc/passwd": f"a:x:1:1::{home}:"}).home == "/" if "\n" not in home else True


@given(st.text(), st.text(), st.text())
def test_any_text_gives_a_user_or_a_refusal(user, passwd, group):
    try:
        found = account(user, {"etc/passwd": passwd, "etc/group": group})
    except ImageError:
        return
    assert found.home.startswith("/")
    assert all(0 <= each < 1 << 32 for each in (found.uid, found.gid, *found.groups))


@pytest.fixture
def layers(tmp_path):
    def lay(*contents):
        made = []
        for number, content in enumerate(contents):
            folder = tmp_path / str(number)
            folder.mkdir()
            made.append(folder)
            for path, text in content.items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                if text.startswith("-> "):
                    (folder / path).symlink_to(text[3:])
                else:
                    (folder / path).write_text(text)
        return made

    return lay


def test_file_of_the_highest_layer_is_read(layers):
    assert read_stacked(layers({"etc/a": "low", "etc/b": "b"}, {"etc/a": "high"}), "etc/a") == b"high"
    assert read_stacked(layers(), "etc/a") == b""


def test_file_below_a_file_of_a_higher_layer_is_hidden(layers):
    made = layers({"etc/a": "low"}, {"etc": "no folder"})
    assert read_stacked(made, "etc/a") == b""


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ("-> b", b"inside"),
        ("-> /etc/b", b"inside"),
        ("-> ../../../../etc/b", b"inside"),
        ("-> /etc/nothing", b""),
        ("-> b/c", b""),
        ("-> b/", b"inside"),
    ],
)
def test_links_stay_inside_of_the_layers(layers, link, wanted):
    assert read_stacked(layers({"etc/b": "inside"}, {"etc/a": link}), "etc/a") == wanted


def test_link_of_a_folder_is_followed_across_layers(layers):
    assert read_stacked(layers({"usr/etc/a": "here"}, {"etc": "-> usr/etc"}), "etc/a") == b"here"


def test_links_that_lead_around_are_refused(layers):
    made = layers({"etc/a": "-> b", "etc/b": "-> a"})
    with pytest.raises(ImageError, match="leads around"):
        read_stacked(made, "etc/a")


def test_folder_in_place_of_a_file_is_refused(layers):
    made = layers({"etc/a/b": ""})
    with pytest.raises(ImageError, match="is a folder"):
        read_stacked(made, "etc/a")
