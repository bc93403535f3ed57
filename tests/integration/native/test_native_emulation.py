"""Programs of other architectures, in runs of this machine: as root, as a plain user, and with one id."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from crafted import content_of_tree, lay_tree, plan_of
from witness import witness

from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.emulation import EMULATORS, FOLDER, lacking_emulator
from runtime.oci.platform import MACHINES, own_architecture
from runtime.outcome import Fidelity, Outcome

pytestmark = pytest.mark.bar("5 architecture", slice=1)


@pytest.fixture(params=sorted(each for each in EMULATORS if each != own_architecture()))
def architecture(request) -> str:
    missing = lacking_emulator(request.param)
    if missing:
        pytest.skip(missing.reason)
    return request.param


@pytest.fixture(params=[None] if os.geteuid() == 0 else [None, True], ids=lambda one_id: "one-id" if one_id else "ids")
def emulated(request, layer, architecture) -> Iterator[Callable[..., Outcome]]:
    """Run a program of the other architecture, /bin/witness, or this machine's shell beside it."""
    content = {**content_of_tree(), "bin/witness": witness(architecture)}
    tree = layer(lambda folder: lay_tree(folder, content))
    with NativeBackend(lambda _: (tree,), one_id=request.param) as backend:

        def run(*argv: str, host: dict[str, str] | None = None, **changes: object) -> Outcome:
            levels = {"architecture": architecture, **(host or {})}
            with backend.start(replace(plan_of(*argv, host=levels), **changes)) as running:
                return running.wait()

        yield run


def said(outcome: Outcome) -> str:
    return outcome.stdout.content.rstrip(b"\0").decode()


def entries() -> list[str]:
    return sorted(os.listdir(FOLDER)) if Path(FOLDER).is_dir() else []  # noqa: PTH208 - names only


def test_program_of_another_architecture_runs_under_the_default_profile(emulated, architecture):
    outcome = emulated("witness")
    assert (outcome.exit_code, said(outcome)) == (0, MACHINES[architecture])
    assert {each.fidelity for each in outcome.evidence.values()} == {Fidelity.ADVISORY}
    assert outcome.evidence["architecture"].found == architecture
    assert [name for name, each in outcome.evidence.items() if not each.holds] == []


def test_run_neither_sees_nor_changes_the_table_and_this_machine_has_none(emulated, architecture):
    before = entries()
    line = f"ls {FOLDER} && (echo -1 > {FOLDER}/status || echo 1 > {FOLDER}/register); witness"
    outcome = emulated("sh", "-c", line, host={"user": "root"})
    assert said(outcome) == MACHINES[architecture]
    assert outcome.stderr.content != b""
    assert entries() == before


def test_run_of_this_machine_has_no_emulator(emulated):
    outcome = emulated("witness", architecture="", levels={})
    assert outcome.exit_code == 126


def test_emulated_program_runs_as_any_user_with_a_read_only_root(emulated, architecture):
    outcome = emulated("witness", host={"user": "arbitrary", "root-filesystem": "read-only"})
    assert said(outcome) == MACHINES[architecture]
    assert all(each.holds for each in outcome.evidence.values())


def test_program_of_this_machine_does_not_pass_for_one_of_another(emulated):
    assert not emulated("true").evidence["architecture"].holds
