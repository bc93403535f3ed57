"""Kernels come out of a signed archive, once."""

import hashlib
import lzma
import shutil

import pytest
from debian_archive import NOW, Archive, make_deb

from pipeline.build.kernels import kernels_of
from runtime.errors import BackendError

RELEASE = "6.1.0-99-cloud-amd64"
MODULE = b"\x7fELF\0depends=\0"


@pytest.fixture
def archive(tmp_path):
    made = Archive(tmp_path / "archive")
    made.add("linux-image-cloud-amd64", "6.1.99", depends=f"linux-image-{RELEASE} (= 6.1.99)")
    made.publish()
    return made


def add_kernel(archive: Archive, files: dict[str, bytes]) -> None:
    fields = {"Package": f"linux-image-{RELEASE}", "Version": "6.1.99", "Architecture": "amd64"}
    deb = make_deb(fields, files)
    path = f"pool/main/l/linux/linux-image-{RELEASE}_6.1.99_amd64.deb"
    target = archive.folder / "debian" / path
    target.parent.mkdir(parents=True)
    target.write_bytes(deb)
    listed = {"Filename": path, "Size": str(len(deb)), "SHA256": hashlib.sha256(deb).hexdigest()}
    archive.main.packages.append(fields | listed)
    archive.publish()


WHOLE = {
    f"boot/vmlinuz-{RELEASE}": b"the kernel",
    f"lib/modules/{RELEASE}/kernel/fs/erofs/erofs.ko": MODULE,
    f"lib/modules/{RELEASE}/kernel/drivers/virtio-blk.ko.xz": lzma.compress(MODULE),
    f"lib/modules/{RELEASE}/modules.builtin": b"",
    "usr/share/doc/copyright": b"",
}


def kernels(archive, store):
    return kernels_of(store, mirror=archive.mirror, keys=(archive.key,), clock=lambda: NOW)


def test_kernel_is_unpacked_with_its_modules_uncompressed(archive, tmp_path):
    add_kernel(archive, WHOLE)
    found = kernels(archive, tmp_path / "store")("6.1")
    assert (found.release, found.image.read_bytes()) == (RELEASE, b"the kernel")
    assert {each.name: each.read_bytes() for each in found.modules.iterdir()} == {
        "erofs.ko": MODULE,
        "virtio_blk.ko": MODULE,
    }


def test_kernel_that_is_kept_needs_no_archive(archive, tmp_path):
    add_kernel(archive, WHOLE)
    found = kernels(archive, tmp_path / "store")("6.1")
    shutil.rmtree(archive.folder)
    assert kernels(archive, tmp_path / "store")("6.1") == found


def test_kernel_whose_folder_is_lost_is_unpacked_from_the_cache(archive, tmp_path):
    add_kernel(archive, WHOLE)
    found = kernels(archive, tmp_path / "store")("6.1")
    shutil.rmtree(archive.folder)
    shutil.rmtree(found.image.parent)
    assert kernels(archive, tmp_path / "store")("6.1").image.read_bytes() == b"the kernel"


def test_archive_without_a_kernel_is_told(archive, tmp_path):
    with pytest.raises(BackendError, match=r"the kernel 6\.1 cannot be had: Debian bookworm offers no kernel"):
        kernels(archive, tmp_path / "store")("6.1")


def test_package_without_a_kernel_is_refused_and_leaves_nothing(archive, tmp_path):
    add_kernel(archive, {"usr/share/doc/copyright": b""})
    with pytest.raises(BackendError, match="holds no boot/vmlinuz"):
        kernels(archive, tmp_path / "store")("6.1")
    assert [each.name for each in (tmp_path / "store" / "kernels").iterdir()] == ["6.1.json"]


def test_archive_that_cannot_be_reached_is_told(archive, tmp_path):
    shutil.rmtree(archive.folder)
    with pytest.raises(BackendError, match=r"the kernel 6\.1 cannot be had: cannot read the index"):
        kernels(archive, tmp_path / "store")("6.1")
