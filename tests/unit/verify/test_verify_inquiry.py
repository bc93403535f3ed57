"""A host as this machine can have it."""

import os

import pytest

from pipeline.verify.inquiry import as_here, of_machine
from runtime.digest import Digest
from runtime.factors import FACTORS
from runtime.host import Host
from runtime.oci.platform import own_architecture
from runtime.plan import Variant

WRITTEN_OUT = Host(name="reference", factors={each.name: each.default for each in FACTORS})
FOREIGN = "s390x" if own_architecture() != "s390x" else "arm64"


def variant(architecture):
    return Variant(architecture=architecture, image=Digest.of(architecture.encode()), suite=Digest.of(b"suite"))


OWN, OTHER = variant(own_architecture()), variant(FOREIGN)


@pytest.fixture
def cpus(monkeypatch):
    return lambda count: monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(count)))


def test_reference_that_writes_all_levels_out_has_one_cpu_where_there_is_one(cpus):
    cpus(1)
    assert as_here(WRITTEN_OUT, [OWN]).differing == {"cpus": "1"}
    cpus(2)
    assert as_here(WRITTEN_OUT, [OWN]) is WRITTEN_OUT


def test_host_that_asks_for_cpus_of_its_own_keeps_them(cpus):
    cpus(1)
    asking = Host(name="four", factors={"cpus": "4"})
    assert as_here(asking, [OWN]) is asking


def test_image_for_other_architectures_only_is_emulated(cpus):
    cpus(2)
    assert as_here(WRITTEN_OUT, [OTHER]).differing == {"architecture": FOREIGN}
    assert as_here(WRITTEN_OUT, [OTHER, OWN]) is WRITTEN_OUT


def test_variant_of_this_machine_is_taken_wherever_it_stands():
    assert of_machine([OTHER, OWN]) is OWN
    assert of_machine([OTHER]) is OTHER
