from itertools import combinations, product
from pathlib import Path

import pytest

from pipeline.declare.errors import SpecError
from pipeline.declare.faults import SpecFaults
from pipeline.declare.host_file import read_host, read_set
from pipeline.declare.hosts import BUILT_IN, Catalogue, find, select
from pipeline.declare.read import read_spec
from runtime.errors import HostError
from runtime.factors import FACTORS

ROOT = Path(__file__).parents[3]
SMALL = "seatrial: 1\nimage: {debian: bookworm}\nsuite: {command: [python3]}\n"
BROUGHT = Catalogue((BUILT_IN,))


@pytest.fixture
def spec_of(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "envs" / "hosts").mkdir(parents=True)

    def write(more=""):
        path = tmp_path / "envs" / "web.yaml"
        path.write_text(SMALL + more)
        return read_spec(path)

    return write


def test_reference_host_writes_out_every_default():
    assert dict(read_host(ROOT / "specs" / "hosts" / "reference.yaml").factors) == {
        each.name: each.default for each in FACTORS
    }


def test_null_control_host_has_every_control_that_is_no_default():
    assert dict(read_host(ROOT / "specs" / "hosts" / "null-control.yaml").factors) == {
        each.name: each.control for each in FACTORS if each.control != each.default
    }


def test_hosts_that_are_brought_are_those_of_the_source_tree():
    assert BUILT_IN.resolve() == ROOT / "specs" / "hosts"


def test_every_host_and_set_that_is_brought_reads():
    assert len(BROUGHT.hosts()) == len(BROUGHT.host_names)
    for name in BROUGHT.set_names:
        assert set(BROUGHT.set(name).hosts) <= set(BROUGHT.host_names)


def test_every_host_that_is_brought_has_its_own_digest():
    digests = [host.digest for host in BROUGHT.hosts()]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("reference", "e160aa1265fcbe14eda72295c9bcd68e87b3cac6c9e36c1d023d5ce65e51b196"),
        ("openshift", "b3d196afa17a338f3e9b131c13491c65071403d9c67f05361c37a228cc13620e"),
        ("quick-1", "c0c19567f19cb7c410d60c0fb3ac3081d1bdc8a764eaf3493d0540d952acb291"),
        ("slow-disk", "45619be3f443d8bb2fb80044c77a3f403cf31cb19bcb6ec9ba8dbc453d4c0585"),
    ],
)
def test_digest_of_a_host_is_that_of_before_there_were_more_factors(name, digest):
    """As it was with 50 factors; the reference's has had no level in it from the beginning."""
    assert str(BROUGHT.host(name).digest) == f"sha256:{digest}"


def test_quick_set_with_reference_meets_every_pair_of_its_levels():
    names = BROUGHT.set("quick").hosts
    assert len(names) <= 6
    rows = [dict(BROUGHT.host(name).differing) for name in names]
    factors = sorted({factor for row in rows for factor in row})
    assert len(factors) == 12
    for first, second in combinations(factors, 2):
        met = {(first in row, second in row) for row in [{}, *rows]}
        assert met == set(product((False, True), repeat=2))


def test_quick_set_needs_no_cgroup():
    for name in BROUGHT.set("quick").hosts:
        for factor in FACTORS:
            assert not factor.needs(BROUGHT.host(name).factors.get(factor.name, factor.default)) or (
                factor.name not in BROUGHT.host(name).differing
            )


def test_standard_set_varies_at_least_fourteen_factors():
    factors = {factor for name in BROUGHT.set("standard").hosts for factor in BROUGHT.host(name).differing}
    assert len(factors) >= 14


SETS_BY_FACTOR = {
    "runtimes": "runtime",
    "kernels": "kernel",
    "architectures": "architecture",
    "processors": "cpu-features",
}


@pytest.mark.parametrize("name", SETS_BY_FACTOR)
def test_set_has_every_host_that_varies_its_factor(name):
    varying = {each for each in BROUGHT.host_names if SETS_BY_FACTOR[name] in BROUGHT.host(each).differing}
    assert set(BROUGHT.set(name).hosts) == varying - set(BROUGHT.set("platforms").hosts)


def test_sets_name_every_host_between_them():
    thorough = set(BROUGHT.set("thorough").hosts)
    others = {host for name in SETS_BY_FACTOR for host in BROUGHT.set(name).hosts}
    platforms = set(BROUGHT.set("platforms").hosts)
    assert thorough | others | platforms == set(BROUGHT.host_names) - {"reference"}
    assert not (thorough | platforms) & others


def test_select_puts_the_reference_first_and_once(spec_of):
    spec = spec_of("hosts: [umask-0077, reference, {name: mine, factors: {umask: 0002}}, umask-0077]\n")
    assert [host.name for host in select(spec, Catalogue.of(spec.path))] == ["reference", "umask-0077", "mine"]


def test_select_of_default_takes_standard_set(spec_of):
    spec = spec_of()
    hosts = select(spec, Catalogue.of(spec.path))
    assert [host.name for host in hosts] == ["reference", *BROUGHT.set("standard").hosts]


@pytest.mark.parametrize(
    ("override", "said", "hint"),
    [
        ("standrad", "there is no host and no set of hosts 'standrad'", "did you mean 'standard'?"),
        ("umask-007", "there is no host and no set of hosts 'umask-007'", "did you mean 'umask-0077'?"),
        ("xyzzy", "there is no host and no set of hosts 'xyzzy'", "the sets are "),
        ("reference,narow", "there is no host 'narow'", "did you mean 'narrow'?"),
    ],
)
def test_select_by_override_of_an_unknown_name_says_what_was_probably_meant(spec_of, override, said, hint):
    spec = spec_of()
    with pytest.raises(SpecError) as raised:
        select(spec, Catalogue.of(spec.path), override)
    assert raised.value.message == said
    assert raised.value.hint.startswith(hint)


def test_select_by_override_takes_set_or_names(spec_of):
    spec = spec_of("hosts: [openshift]\n")
    catalogue = Catalogue.of(spec.path)
    assert len(select(spec, catalogue, "quick")) == 7
    assert [host.name for host in select(spec, catalogue, "ci,narrow")] == ["reference", "ci", "narrow"]
    with pytest.raises(SpecError, match="did you mean 'narrow'"):
        select(spec, catalogue, "narow")


def test_find_takes_a_host_that_the_spec_declares_or_one_of_the_catalogue(spec_of):
    spec = spec_of("hosts: [{name: mine, factors: {umask: 0002}}]\n")
    catalogue = Catalogue.of(spec.path)
    assert find(spec, catalogue, "mine").factors == {"umask": "0002"}
    assert find(spec, catalogue, "openshift") == catalogue.host("openshift")
    with pytest.raises(SpecError, match="did you mean 'narrow'"):
        find(spec, catalogue, "narow")


def test_select_of_unknown_names_shows_all_with_their_lines(spec_of):
    spec = spec_of("hosts:\n  - opneshift\n  - umask-0777\n")
    with pytest.raises(SpecFaults) as caught:
        select(spec, Catalogue.of(spec.path))
    assert [(fault.line, fault.hint) for fault in caught.value.faults] == [
        (5, "did you mean 'openshift'?"),
        (6, "did you mean 'umask-0077'?"),
    ]


def test_select_of_unknown_set_shows_line(spec_of):
    spec = spec_of("hosts: standart\n")
    with pytest.raises(SpecFaults, match=r"web.yaml:4:8: there is no set 'standart'"):
        select(spec, Catalogue.of(spec.path))


def test_host_beside_the_spec_is_found(spec_of, tmp_path):
    (tmp_path / "envs" / "hosts" / "own.yaml").write_text("seatrial: 1\nname: own\nfactors: {umask: 0002}\n")
    spec = spec_of("hosts: [own]\n")
    assert select(spec, Catalogue.of(spec.path))[1].factors == {"umask": "0002"}


def test_host_of_same_name_and_other_content_is_error_that_shows_both(spec_of, tmp_path):
    (tmp_path / "envs" / "hosts" / "openshift.yaml").write_text(
        "seatrial: 1\nname: openshift\nfactors: {umask: 0002}\n"
    )
    spec = spec_of("hosts: [openshift]\n")
    with pytest.raises(HostError) as caught:
        select(spec, Catalogue.of(spec.path))
    assert "umask=0002" in str(caught.value)
    assert "user=arbitrary" in str(caught.value)


def test_inline_host_of_same_name_and_other_content_is_error(spec_of):
    spec = spec_of("hosts: [{name: openshift, factors: {umask: 0002}}]\n")
    with pytest.raises(HostError, match="two contents"):
        select(spec, Catalogue.of(spec.path))


def test_host_of_same_name_and_same_content_is_no_error(spec_of, tmp_path):
    content = (BUILT_IN / "openshift.yaml").read_text()
    (tmp_path / "envs" / "hosts" / "openshift.yaml").write_text(f"# a copy\n{content}")
    spec = spec_of("hosts: [openshift]\n")
    assert len(select(spec, Catalogue.of(spec.path))) == 2


def test_host_whose_name_is_not_its_files_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("seatrial: 1\nname: b\n")
    with pytest.raises(SpecFaults, match=r"the name is 'b', and the file is a\.yaml"):
        read_host(path)


def test_set_that_names_host_twice_is_refused(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text("seatrial: 1\nname: s\nversion: 1\nhosts: [a, b, a]\n")
    with pytest.raises(SpecFaults, match="in the set twice"):
        read_set(path)
