"""A small Debian archive in a folder: signed as the real one is, and as wrong as a test wants it."""

import gzip
import hashlib
import io
import lzma
import shutil
import tarfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pysequoia

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_SCRIPTS = {"preinst", "postinst", "prerm", "postrm", "config"}
_COMPRESS = {".xz": lzma.compress, ".gz": lambda data: gzip.compress(data, mtime=0), "": lambda data: data}


def make_deb(
    fields: dict[str, str],
    files: dict[str, bytes] | None = None,
    *,
    mtime: int = 1_700_000_000,
    devices: tuple[str, ...] = (),
    links: dict[str, str] | None = None,
    sparse: dict[str, int] | None = None,
    hard_links: dict[str, str] | None = None,
    scripts: dict[str, str] | None = None,
    mode: int = 0o755,
    first: bytes = b"",
    control_mode: int | None = None,
) -> bytes:
    """Return a ``.deb`` with the control fields, files by path, block devices, links, and sparse files by size.

    A path that ends with a slash is a folder's, which has the mode.
    ``scripts`` are its control files by name, of a mode if they are not to have the usual ones; hard links come after
    the files, and ``first`` stands before all of them in their archive.
    """
    control = "".join(f"{name}: {value}\n" for name, value in fields.items()).encode()
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": lzma.compress(_control(control, scripts or {}, mtime, control_mode)),
        "data.tar.xz": lzma.compress(
            first
            + _odd(links or {}, sparse or {})
            + _tar({f"./{name}": text for name, text in (files or {}).items()}, mtime, devices, hard_links or {}, mode)
        ),
    }
    return make_ar(members)


def make_ar(members: dict[str, bytes]) -> bytes:
    """Return an ``ar`` archive of the members."""
    parts = [b"!<arch>\n"]
    for name, content in members.items():
        parts.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content)
        parts.append(b"\n" * (len(content) % 2))
    return b"".join(parts)


def _control(control: bytes, scripts: dict[str, str], mtime: int, mode: int | None) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in {"control": control, **{each: text.encode() for each, text in scripts.items()}}.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size, entry.mtime = len(content), mtime
            entry.mode = mode if mode is not None and name != "control" else 0o755 if name in _SCRIPTS else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def _tar(
    files: dict[str, bytes],
    mtime: int,
    devices: tuple[str, ...] = (),
    hard_links: dict[str, str] | None = None,
    mode: int = 0o755,
) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), mtime
            if name.endswith("/"):
                entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry, io.BytesIO(content))
        for name in devices:
            entry = tarfile.TarInfo(f"./{name}")
            entry.type = tarfile.BLKTYPE
            archive.addfile(entry)
        for name, target in (hard_links or {}).items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.type, entry.linkname = tarfile.LNKTYPE, target
            archive.addfile(entry)
    return raw.getvalue()


def _odd(links: dict[str, str], sparse: dict[str, int]) -> bytes:
    """Return the members that come first: symbolic links, and files of zeros as pax headers describe them."""
    members = []
    for name, target in links.items():
        entry = tarfile.TarInfo(f"./{name}")
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        members.append(entry.tobuf(tarfile.GNU_FORMAT))
    for name, size in sparse.items():
        entry = tarfile.TarInfo(f"./{name}")
        entry.size = 512
        entry.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": f"./{name}",
            "GNU.sparse.realsize": str(size),
        }
        members.append(entry.tobuf(tarfile.PAX_FORMAT) + f"1\n{size}\n0\n".encode().ljust(512, b"\0"))
    return b"".join(members)


@dataclass
class Pocket:
    """One suite of one archive."""

    archive: str
    suite: str
    packages: list[dict[str, str]] = field(default_factory=list)
    date: datetime = NOW - timedelta(days=1)
    valid_until: datetime | None = NOW + timedelta(days=6)
    hashes: tuple[str, ...] = ("SHA256",)
    wrong: tuple[str, ...] = ()
    codename: str = ""
    by_hash: bool = True
    suffix: str = ".xz"
    listed: int | None = None
    dated: str | None = None


def _dated(pocket: Pocket) -> list[str]:
    if pocket.dated is not None:
        return [pocket.dated] if pocket.dated else []
    return [f"Date: {pocket.date:%a, %d %b %Y %H:%M:%S} UTC"]


class Archive:
    """A ``debian`` archive and its ``debian-security`` below one folder, for the suite ``bookworm``."""

    def __init__(self, folder: Path, secret: "pysequoia.Tsk | None" = None) -> None:
        self.folder = folder
        self.secret = secret or pysequoia.Tsk.generate("Test archive <test@example.org>")
        self.key = bytes(self.secret.extract_certificate())
        self.main = Pocket("debian", "bookworm")
        self.updates = Pocket("debian", "bookworm-updates")
        self.security = Pocket("debian-security", "bookworm-security")

    @property
    def mirror(self) -> str:
        return (self.folder / "debian").as_uri()

    def add(self, name: str, version: str = "1", *, pocket: Pocket | None = None, **fields: str) -> None:
        """Add a package; ``pre_depends="a, b"`` is its field ``Pre-Depends``."""
        where = pocket or self.main
        control = {"Package": name, "Version": version, "Architecture": "all"}
        control |= {key.replace("_", "-").title(): value for key, value in fields.items()}
        deb = make_deb(control, {f"usr/share/{name}": version.encode()})
        path = f"pool/main/{name[0]}/{name}/{name}_{version.replace(':', '')}_{control['Architecture']}.deb"
        target = self.folder / where.archive / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(deb)
        listed = {"Filename": path, "Size": str(len(deb)), "SHA256": hashlib.sha256(deb).hexdigest()}
        where.packages.append(control | listed)

    def publish(self) -> None:
        """Write and sign the indexes of all pockets."""
        for pocket in (self.main, self.updates, self.security):
            self._publish(pocket)

    def release_path(self, pocket: Pocket) -> Path:
        return self.folder / pocket.archive / "dists" / pocket.suite / "InRelease"

    def _publish(self, pocket: Pocket) -> None:
        dists = self.folder / pocket.archive / "dists" / pocket.suite
        shutil.rmtree(dists, ignore_errors=True)
        plain = "\n".join("".join(f"{k}: {v}\n" for k, v in each.items()) for each in pocket.packages).encode()
        listed = {"Packages": plain, f"Packages{pocket.suffix}": _COMPRESS[pocket.suffix](plain)}
        lines = [
            "Origin: Test",
            f"Codename: {pocket.codename or pocket.suite}",
            *_dated(pocket),
            "Architectures: amd64 arm64",
            "Components: main contrib",
        ]
        if pocket.valid_until is not None:
            lines.append(f"Valid-Until: {pocket.valid_until:%a, %d %b %Y %H:%M:%S} UTC")
        if pocket.by_hash:
            lines.append("Acquire-By-Hash: yes")
        for hash_name in pocket.hashes:
            lines.append(f"{hash_name}:")
            for name, content in listed.items():
                digits = hashlib.new(hash_name.lower().replace("md5sum", "md5"), content).hexdigest()
                shown = "0" * len(digits) if hash_name in pocket.wrong else digits
                size = len(content) if pocket.listed is None or name != "Packages" else pocket.listed
                lines.append(f" {shown} {size} main/binary-amd64/{name}")
                self._write(dists / "main/binary-amd64/by-hash" / hash_name / shown, content)
                self._write(dists / "main/binary-amd64" / name, content)
        text = ("\n".join(lines) + "\n").encode()
        signed = pysequoia.sign(self.secret.signer(), text, mode=pysequoia.SignatureMode.CLEAR)
        self._write(dists / "InRelease", signed)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
