import os

import pytest

CPUS = os.cpu_count()


@pytest.mark.parametrize("cpu", range(CPUS))
def test_each_cpu(cpu):
    assert cpu < CPUS


@pytest.mark.skipif(CPUS < 2, reason="needs two CPUs")
def test_together():
    assert CPUS >= 2


@pytest.mark.skipif(CPUS > 1, reason="for one CPU only")
def test_alone():
    assert CPUS == 1


if CPUS == 1:

    def test_in_turn():
        assert CPUS == 1
