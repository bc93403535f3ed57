"""The pure parts of a virtual machine: its first files, its command line, its kernel's modules."""

import stat
import sys
from pathlib import Path

import pytest

from runtime.backends.catalogue import Backends, make_backend
from runtime.backends.qemu.command import PROCESSORS, Accelerator, Shape, command_line
from runtime.backends.qemu.cpio import Item, archive
from runtime.backends.qemu.disk import outside
from runtime.backends.qemu.first_files import elf_interpreter
from runtime.backends.qemu.kernel import Kernel, depends, modules_in_order
from runtime.errors import BackendError, FactorError
from runtime.factors import factor
from runtime.factors.architecture import CpuFeaturesFactor

FILE = stat.S_IFREG | 0o644


def shape(**changes: object) -> Shape:
    values = {
        "accelerator": Accelerator.TCG,
        "cpus": 2,
        "memory": 4096,
        "kernel": "/k/vmlinuz",
        "first_files": "/dev/fd/5",
        "console": "/dev/fd/6",
        "orders": 7,
    }
    return Shape(**{**values, **changes})


def names_of(raw: bytes) -> list[tuple[str, int, bytes]]:
    found, at = [], 0
    while True:
        assert raw[at : at + 6] == b"070701"
        fields = [int(raw[at + 6 + 8 * each : at + 14 + 8 * each], 16) for each in range(13)]
        name = raw[at + 110 : at + 110 + fields[11] - 1].decode()
        start = at + (110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found
        found.append((name, fields[1], raw[start : start + fields[6]]))
        at = start + (fields[6] + 3) // 4 * 4


def test_archive_makes_folders_before_what_lies_in_them():
    raw = b"".join(archive([Item(path="a/b/c", mode=FILE, content=b"12345"), Item(path="a/x", mode=FILE)]))
    assert names_of(raw) == [
        ("a", stat.S_IFDIR | 0o755, b""),
        ("a/b", stat.S_IFDIR | 0o755, b""),
        ("a/b/c", FILE, b"12345"),
        ("a/x", FILE, b""),
    ]


def test_archive_of_the_same_items_in_another_order_has_the_same_bytes():
    items = [Item(path=name, mode=FILE, content=name.encode()) for name in ("b", "a/c", "a")]
    assert b"".join(archive(items)) == b"".join(archive(items[::-1]))


def test_command_gives_a_machine_nothing_but_what_is_named():
    command = command_line("/usr/bin/qemu", shape(disks=["/dev/fd/8", "/dev/fd/9"]))
    assert {"-nodefaults", "-no-user-config", "-no-reboot", "-sandbox"} <= set(command)
    assert "if=none,id=disk1,file=/dev/fd/9,format=raw,readonly=on" in command
    assert "virtio-blk-pci,drive=disk1,serial=layer-1" in command
    assert not any("net" in word for word in command)


def test_command_doubles_a_comma_of_a_path():
    assert "file,id=console,path=/a,,b" in command_line("qemu", shape(console="/a,b"))


@pytest.mark.parametrize(("accelerator", "cpu"), [(Accelerator.TCG, "max"), (Accelerator.KVM, "host")])
def test_command_names_the_processor_that_its_accelerator_can_have(accelerator, cpu):
    command = command_line("qemu", shape(accelerator=accelerator))
    assert command[command.index("-cpu") + 1] == cpu


@pytest.mark.parametrize("accelerator", Accelerator)
def test_command_names_the_processor_that_was_asked_for(accelerator):
    command = command_line("qemu", shape(accelerator=accelerator, processor="Nehalem"))
    assert command[command.index("-cpu") + 1] == "Nehalem"


def test_each_level_of_the_processor_has_a_model():
    assert PROCESSORS.keys() == CpuFeaturesFactor.levels.keys() - {CpuFeaturesFactor.default}


def test_modules_come_behind_what_they_depend_on(tmp_path):
    for name, needs in {"erofs": b"libcrc32c,a-b", "libcrc32c": b"", "a_b": b"libcrc32c"}.items():
        (tmp_path / f"{name}.ko").write_bytes(b"\x7fELF\0license=GPL\0depends=" + needs + b"\0intree=Y\0")
    kernel = Kernel(release="6.1.0", image=tmp_path / "vmlinuz", modules=tmp_path)
    found = modules_in_order(kernel, ("erofs", "built_in", "libcrc32c"))
    assert [each.name for each in found] == ["libcrc32c.ko", "a_b.ko", "erofs.ko"]


def test_module_that_says_nothing_of_what_it_needs_is_refused():
    with pytest.raises(BackendError, match="no module of Linux"):
        depends(b"\x7fELF and nothing else")


def test_loader_of_this_python_exists():
    assert Path(elf_interpreter(Path(sys.executable).resolve().read_bytes())).exists()


@pytest.mark.parametrize(("inside", "found"), [(0, 0x70000000), (65533, 0x7000FFFD), (1000660000, 0x7000FFFF)])
def test_owner_of_a_file_is_the_id_that_the_guests_root_maps(inside, found):
    assert outside(inside) == found


def test_another_kernel_implies_a_machine(plan_on):
    with Backends(lambda _: ()) as backends:
        assert backends.of(plan_on(kernel="6.12")).name == "qemu"
        assert backends.of(plan_on(runtime="qemu")).name == "qemu"
        assert backends.of(plan_on()).name == "native"
        assert backends.of(plan_on(kernel="6.12")) is not backends.of(plan_on(kernel="6.1"))


def test_backend_on_this_machines_kernel_refuses_another(plan_on):
    with make_backend("native", lambda _: ()) as native:
        assert "Linux 6.12" in native.refusal(plan_on(kernel="6.12")).reason


def test_runtime_of_others_in_a_machine_is_refused(plan_on):
    with make_backend("qemu", lambda _: ()) as machines:
        refusal = machines.refusal(plan_on(kernel="6.1", runtime="crun"))
        assert "crun" in refusal.reason or "not installed" in refusal.reason


def test_kernel_that_is_not_known_is_refused(plan_on):
    with pytest.raises(FactorError, match=r"no level '4\.19'"):
        plan_on(kernel="4.19")


@pytest.mark.parametrize(
    ("level", "found", "holds"),
    [("6.1", "6.1.0-56-cloud-amd64", True), ("6.1", "6.12.1", False), ("as-is", "6.18.44", True), ("6.1", "", False)],
)
def test_kernel_holds_if_its_release_is_of_that_version(plan_on, level, found, holds):
    assert factor("kernel").holds(level, found, plan_on(kernel=level)) is holds
