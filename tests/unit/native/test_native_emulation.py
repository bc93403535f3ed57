"""What the kernel is told of an emulator, and what is said where there is none."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "conformance"))

from witness import witness

from runtime.backends.native import emulation
from runtime.backends.native.emulation import EMULATORS, is_registered, lacking_emulator, registration
from runtime.digest import Digest
from runtime.errors import FactorError
from runtime.factors.architecture import ArchitectureFactor
from runtime.oci.platform import elf_architecture, own_architecture
from runtime.plan import Plan, User, Variant

ARM64 = EMULATORS["arm64"]
FOREIGN = next(each for each in EMULATORS if each != own_architecture())
BARE = Plan(
    image=Digest.of(b"image"),
    suite=None,
    argv=("true",),
    workdir="/app",
    environment={},
    user=User(uid=1000, gid=1000, home="/home/app"),
    capabilities=(),
)


def variant(architecture: str) -> Variant:
    return Variant(architecture=architecture, image=Digest.of(architecture.encode()), suite=Digest.of(b"suite"))


def table(folder: Path, entry: str) -> str:
    (folder / ARM64.program).write_text(entry)
    return str(folder)


def test_magic_is_that_of_debian():
    assert ARM64.magic.hex() == "7f454c460201010000000000000000000200b700"  # qemu-user-static, /usr/lib/binfmt.d
    assert ARM64.mask.hex() == "ffffffffffffff00fffffffffffffffffeffffff"


@pytest.mark.parametrize("architecture", sorted(EMULATORS))
def test_mask_lets_programs_of_the_architecture_through_and_no_others(architecture):
    row = EMULATORS[architecture]

    def masked(head: bytes) -> bytes:
        return bytes(a & b for a, b in zip(head, row.mask, strict=False))

    assert masked(witness(architecture)) == masked(row.magic)
    assert masked(witness("amd64")) != masked(row.magic)
    assert elf_architecture(witness(architecture)) == architecture


def test_registration_opens_the_emulator_at_once():
    line = registration(ARM64, "/usr/bin/qemu-aarch64-static")
    assert line.startswith(b":qemu-aarch64:M::\\x7f\\x45")
    assert b"F" in line.rpartition(b":")[2]
    assert b":/usr/bin/qemu-aarch64-static:" in line


@pytest.mark.parametrize(
    ("entry", "answers"),
    [
        ("enabled\ninterpreter /usr/bin/q\nflags: OCF\n", True),
        ("enabled\ninterpreter /usr/bin/q\nflags: OC\n", False),
        ("disabled\ninterpreter /usr/bin/q\nflags: OCF\n", False),
    ],
)
def test_registration_of_the_machine_counts_only_if_the_emulator_is_open(tmp_path, monkeypatch, entry, answers):
    monkeypatch.setattr(emulation, "FOLDER", table(tmp_path, entry))
    assert is_registered(ARM64) is answers


def test_missing_emulator_is_named_with_the_command_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.setattr(emulation, "FOLDER", str(tmp_path))
    monkeypatch.setattr(emulation, "_PLACES", (str(tmp_path),))
    refused = lacking_emulator("arm64")
    assert refused is not None
    assert "qemu-aarch64-static is not installed" in refused.reason
    assert refused.hint == "run `sudo apt-get install qemu-user-static`"


def test_older_kernel_is_told_what_registers_for_the_whole_machine(tmp_path, monkeypatch):
    program = tmp_path / "qemu-aarch64-static"
    program.touch(mode=0o755)
    monkeypatch.setattr(emulation, "FOLDER", str(tmp_path / "none"))
    monkeypatch.setattr(emulation, "_PLACES", (str(tmp_path),))
    monkeypatch.setattr(emulation, "_release", lambda: (6, 6))
    refused = lacking_emulator("arm64")
    assert refused is not None
    assert "Linux 6.7" in refused.reason
    assert "binfmt-support" in refused.hint
    monkeypatch.setattr(emulation, "_release", lambda: (6, 7))
    assert lacking_emulator("arm64") is None


def test_unknown_architecture_is_refused_with_those_that_are_known():
    refused = lacking_emulator("vax")
    assert refused is not None
    assert "arm64, s390x" in refused.reason


def test_factor_takes_the_image_that_was_built_for_the_architecture():
    plan = replace(BARE, variants=(variant(own_architecture()), variant(FOREIGN)))
    foreign = ArchitectureFactor().apply(plan, FOREIGN)
    assert (foreign.image, foreign.architecture) == (variant(FOREIGN).image, FOREIGN)
    own = ArchitectureFactor().apply(plan, "own")
    assert (own.image, own.architecture, own.variants) == (variant(own_architecture()).image, "", ())


def test_factor_refuses_an_architecture_that_the_image_is_not_built_for():
    plan = replace(BARE, variants=(variant(own_architecture()),))
    with pytest.raises(FactorError, match="not built for"):
        ArchitectureFactor().apply(plan, FOREIGN)
