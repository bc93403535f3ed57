import pytest

from runtime.digest import Digest
from runtime.errors import DigestError, ImageError
from runtime.oci.remote import is_remote, parse_remote

DIGEST = Digest.of(b"image")


@pytest.mark.parametrize(
    ("text", "base", "tag", "digest"),
    [
        ("registry.example.org/app:1", "https://registry.example.org/v2/app", "1", None),
        ("registry.example.org/team/app", "https://registry.example.org/v2/team/app", "latest", None),
        (f"registry:5000/app@{DIGEST}", "https://registry:5000/v2/app", "", DIGEST),
        (f"registry.example.org/app:1@{DIGEST}", "https://registry.example.org/v2/app", "", DIGEST),
        ("localhost/app:1", "http://localhost/v2/app", "1", None),
        ("127.0.0.1:5000/app:1", "http://127.0.0.1:5000/v2/app", "1", None),
        ("[::1]:5000/app:1", "http://[::1]:5000/v2/app", "1", None),
        ("docker.io/debian:12", "https://registry-1.docker.io/v2/library/debian", "12", None),
        ("localhost.example.org/app:1", "https://localhost.example.org/v2/app", "1", None),
    ],
)
def test_name_of_a_registry_is_read(text, base, tag, digest):
    assert is_remote(text)
    found = parse_remote(text)
    assert (found.base, found.tag, found.digest) == (base, tag, digest)


@pytest.mark.parametrize(
    "text", ["app", "team/app:1", "oci:DIR", "oci:a.b/c", "oci:../a/b", "web/services/db", str(DIGEST)]
)
def test_name_without_a_host_is_none_of_a_registry(text):
    assert not is_remote(text)


@pytest.mark.parametrize(
    "text",
    [
        "example.org/",
        "example.org/App:1",
        "example.org/app:",
        "example.org/app:a b",
        "example.org/../app:1",
        "example.org/app?x=1:1",
        "example.org/app@",
        "example.org/a//b",
        f"example.org/{'a' * 300}",
    ],
)
def test_name_of_another_form_is_refused(text):
    with pytest.raises(ImageError, match="names no image of a registry"):
        parse_remote(text)


def test_digest_of_another_form_is_refused():
    with pytest.raises(DigestError):
        parse_remote("example.org/app@sha256:12")
