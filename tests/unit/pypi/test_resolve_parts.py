import json

import pytest

from pipeline.build.ecosystems.pypi.index import Listed, parse_page
from pipeline.build.ecosystems.pypi.resolve import Wanted, lock_pypi, require_same
from pipeline.build.ecosystems.pypi.target import Target
from pipeline.build.ecosystems.pypi.uv_compile import condensed
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import Sources
from pipeline.declare.errors import NamedError, ResolveError
from pipeline.declare.image import PythonPart

BOOKWORM = Target.of_debian(python="3.11.2-6+deb12u6", libc="2.36-9+deb12u10", architecture="amd64")
TRIXIE = Target.of_debian(python="3.13.5-2", libc="2.41-12", architecture="arm64")
URL = "https://user:secret@example.org/simple/shop/"


def test_target_of_debian_reads_versions():
    assert (BOOKWORM.python, BOOKWORM.minor, BOOKWORM.glibc) == ("3.11.2", "3.11", 36)
    assert BOOKWORM.uv_platforms == ("x86_64-manylinux_2_36",)
    assert TRIXIE.uv_platforms == ("aarch64-manylinux_2_40",)


def test_target_of_a_machine_that_uv_has_no_name_for_is_asked_for_on_all_others():
    target = Target.of_debian(python="3.11.2-6", libc="2.36-9", architecture="s390x")
    assert target.uv_platforms == ("x86_64-manylinux_2_36", "aarch64-manylinux_2_36")
    names = ["a-1-cp311-cp311-manylinux_2_17_s390x.whl", "a-1-cp311-cp311-manylinux_2_17_x86_64.whl"]
    assert target.best(names) == names[0]


def test_packages_that_depend_on_the_machine_are_refused_where_uv_cannot_be_asked():
    target = Target.of_debian(python="3.11.2-6", libc="2.36-9", architecture="s390x")
    both = [{"name": "a", "version": "1"}]
    require_same([both, both], target)
    with pytest.raises(ResolveError, match="b 2"):
        require_same([both, [*both, {"name": "b", "version": "2"}]], target)


@pytest.mark.parametrize(
    "given", [("nonsense", "2.36-9", "amd64"), ("3.11.2", "1.2", "amd64"), ("3.11.2", "2.36", "vax")]
)
def test_target_of_strange_versions_is_refused(given):
    with pytest.raises(ResolveError):
        Target.of_debian(python=given[0], libc=given[1], architecture=given[2])


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (["a-1-py3-none-any.whl", "a-1-cp311-cp311-manylinux_2_17_x86_64.whl"], 1),
        (["a-1-cp311-cp311-manylinux_2_37_x86_64.whl", "a-1-cp311-cp311-manylinux_2_36_x86_64.whl"], 1),
        (["a-1-cp311-cp311-manylinux2014_x86_64.whl", "a-1-cp39-abi3-manylinux_2_28_x86_64.whl"], 0),
        (["a-1-cp312-cp312-manylinux_2_17_x86_64.whl", "a-1-cp39-abi3-manylinux_2_28_x86_64.whl"], 1),
        (["a-1-1-py3-none-any.whl", "a-1-2-py3-none-any.whl"], 1),
        (["a-1-cp311-cp311-musllinux_1_2_x86_64.whl", "a-1-cp311-cp311-win_amd64.whl"], None),
        (["a-1.tar.gz", "nonsense.whl"], None),
    ],
)
def test_best_takes_most_specific_wheel_in_any_order(names, best):
    wanted = None if best is None else names[best]
    assert BOOKWORM.best(names) == wanted
    assert BOOKWORM.best(reversed(names)) == wanted


def test_parse_page_reads_json_and_html_alike():
    digest = "a" * 64
    page = {"files": [{"filename": "shop-1.0.tar.gz", "url": "../../f/shop-1.0.tar.gz", "hashes": {"sha256": digest}}]}
    html = f'<a href="../../f/shop-1.0.tar.gz#sha256={digest}">x</a>'
    wanted = Listed(name="shop-1.0.tar.gz", url="https://user:secret@example.org/f/shop-1.0.tar.gz", sha256=digest)
    assert parse_page(json.dumps(page).encode(), URL) == (wanted,)
    assert parse_page(html.encode(), URL) == (wanted,)


def test_parse_page_keeps_credentials_from_other_hosts():
    page = {"files": [{"filename": "a.whl", "url": "https://other.example.org/a.whl", "yanked": "broken"}]}
    (found,) = parse_page(json.dumps(page).encode(), URL)
    assert found.url == "https://other.example.org/a.whl"
    assert found.yanked
    assert (found.sha256, found.size) == ("", -1)


@pytest.mark.parametrize(
    "page",
    [b"{", b"{}", b'{"files": [1]}', b"\xff", b'{"files": [{"filename": "a", "url": "file:///etc/passwd"}]}'],
)
def test_parse_page_refuses_what_it_does_not_understand(page):
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own message
        parse_page(page, URL)


def test_condensed_gives_uvs_own_reason_without_credentials():
    head = "\x1b[31m1 error\x1b[0m: No solution found when resolving dependencies\n"
    stderr = f"{head}  cause: Because a at https://u:p@x/ and b\n"
    assert condensed(stderr) == "Because a at https://x/ and b"


@pytest.mark.parametrize(
    "packages",
    [("a @ https://example.org/a.whl",), ("-r other.txt",), ("./local",), ("a\n-r b",), ("git+https://x/y",)],
)
def test_lock_pypi_refuses_requirements_that_reach_beyond_the_index(tmp_path, packages):
    with Fetcher(tmp_path / "cache", Sources(debian={})) as fetcher, pytest.raises((NamedError, ResolveError)):
        lock_pypi(Wanted(packages=packages), BOOKWORM, fetcher=fetcher, work=tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://x",
        "-i https://x",
        "-e .",
        "git+https://x/y",
        "a @ https://x",
        "./local",
        "--find-links x",
        "https://x/a.whl",
    ],
)
def test_lock_pypi_refuses_requirements_file_that_reaches_beyond_the_index(tmp_path, line):
    path = tmp_path / "requirements.txt"
    path.write_text(f"# see https://example.org\npytz\n{line}\n")
    with Fetcher(tmp_path / "cache", Sources(debian={})) as fetcher, pytest.raises(ResolveError, match="is refused"):
        lock_pypi(Wanted(requirements=path), BOOKWORM, fetcher=fetcher, work=tmp_path)


def test_lock_pypi_of_nothing_asks_nobody(tmp_path):
    with Fetcher(tmp_path / "cache", Sources(debian={})) as fetcher:
        assert lock_pypi(Wanted(), BOOKWORM, fetcher=fetcher, work=tmp_path) == ()


def test_wanted_of_part_resolves_paths(tmp_path):
    part = PythonPart.model_validate({"requirements": "r.txt", "project": "..", "groups": ["test"]})
    wanted = Wanted.of(part, tmp_path)
    assert wanted.requirements == tmp_path / "r.txt"
    assert wanted.project == tmp_path / ".." / "pyproject.toml"
