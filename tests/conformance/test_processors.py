"""Other processors, in virtual machines: a program that asks for more than they can do dies there, and only there."""

# ruff: noqa: PTH103, PTH101

import os
import signal
from pathlib import Path

import pytest
from crafted import fresh_folder, plan_of, remove_all
from witness import program

from pipeline.build.kernels import kernels_of
from runtime.backends.catalogue import Backends
from runtime.backends.native.mapped import run_mapped

pytestmark = pytest.mark.bar("kernels")

AVX2 = program("amd64", "c5fdfec0 31ff b83c000000 0f05")  # vpaddd %ymm0, %ymm0, %ymm0; xor %edi, %edi; exit
SSE42 = program("amd64", "660f3837c1 31ff b83c000000 0f05")  # pcmpgtq %xmm1, %xmm0; the same
LEVELS = [
    pytest.param("x86-64-v2", {"avx2"}, ("avx2", "sse42")),
    pytest.param("x86-64-v2", {"avx2"}, ("true",), marks=pytest.mark.slow),
    pytest.param("x86-64-v1", {"avx2", "sse42"}, ("avx2", "sse42", "true"), marks=pytest.mark.slow),
    pytest.param("x86-64-v3", set(), ("avx2", "sse42", "true"), marks=pytest.mark.slow),
]


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    tree = fresh_folder(tmp_path_factory.mktemp("programs") / "layer")

    def fill(folder):
        os.fchdir(folder)
        os.makedirs("bin", exist_ok=True)
        for name, raw in (("avx2", AVX2), ("sse42", SSE42)):
            Path(f"bin/{name}").write_bytes(raw)
            os.chmod(f"bin/{name}", 0o755)  # noqa: S103 - programs

    run_mapped(fill, directories=(tree,))
    yield tree
    run_mapped(remove_all, directories=(tree,))


@pytest.mark.parametrize(("level", "dying", "names"), LEVELS)
def test_program_for_a_newer_processor_dies_and_others_do_not(layer, programs, store, level, dying, names):  # noqa: PLR0917
    with Backends(lambda _: (layer, programs), kernels=kernels_of(store)) as backends:
        plan = plan_of("avx2", host={"cpu-features": level})
        missing = backends.refusal(plan)
        if missing:
            pytest.skip(f"qemu: {missing.reason}")
        for name in names:
            with backends.start(plan_of(name, host={"cpu-features": level})) as running:
                outcome = running.wait()
            assert outcome.signal == (signal.SIGILL if name in dying else None), (name, outcome)
            assert outcome.evidence["cpu-features"].holds, outcome.evidence["cpu-features"]
