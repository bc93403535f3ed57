"""Each check of layers and documents, disabled: a fixture of its reason is not refused for that reason then."""

import contextlib
import signal
import sys
from pathlib import Path

import pytest

from runtime.oci.refusal import Refusal, RefusedError

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "simulators"))

from hostile_documents import DOCUMENTS
from hostile_layers import CASES, unpack
from mutant import disabled

ARCHIVE = "runtime.oci.archive"
DESCRIPTOR = "runtime.oci.descriptor"
DOCUMENT = "runtime.oci.document"
FOLDER = "runtime.oci.folder"
HEADERS = "runtime.oci.headers"
IMAGE = "runtime.oci.image"
LAYOUT = "runtime.oci.layout"
REFERRERS = "runtime.oci.referrers"
STREAM = "runtime.oci.stream"
UNPACK = "runtime.oci.unpack"

NEVER = "if False:"
MUTANTS = {
    Refusal.JSON_SYNTAX: [
        (DOCUMENT, "except (json.JSONDecodeError, UnicodeDecodeError) as error:", "except ZeroDivisionError as error:")
    ],
    Refusal.JSON_DUPLICATE_KEY: [(DOCUMENT, "if key in found:", NEVER)],
    Refusal.JSON_DEPTH: [(DOCUMENT, "if depth > _DEPTH:", NEVER)],
    Refusal.JSON_NUMBER: [
        (DOCUMENT, "parse_float=lambda text: _no_number(text, what)", "parse_float=float"),
        (DOCUMENT, "parse_constant=lambda name: _no_number(name, what)", "parse_constant=float"),
        (DOCUMENT, "if len(text) > digits:", NEVER),
    ],
    Refusal.JSON_TYPE: [
        (DOCUMENT, "if not isinstance(value, dict):", NEVER),
        (DOCUMENT, "if not isinstance(value, str):", NEVER),
        (DOCUMENT, "if not isinstance(value, int) or isinstance(value, bool):", NEVER),
        (DOCUMENT, "if not isinstance(value, list | tuple):", NEVER),
    ],
    Refusal.DOCUMENT_SIZE: [(DOCUMENT, "if len(raw) > DOCUMENT_LIMIT:", NEVER)],
    Refusal.MEDIA_TYPE: [
        (IMAGE, 'if media_type not in (MANIFEST, DOCKER_MANIFEST) or manifest.get("schemaVersion") != 2:', NEVER),
        (IMAGE, "if described.media_type not in _CONFIGS:", NEVER),
        (IMAGE, "if each.media_type not in _LAYERS:", NEVER),
        (REFERRERS, 'if index.get("mediaType", INDEX) != INDEX or index.get("schemaVersion") != 2:', NEVER),
        (STREAM, "if descriptor.media_type not in (LAYER_TAR, LAYER_GZIP, LAYER_ZSTD, DOCKER_LAYER_GZIP):", NEVER),
    ],
    Refusal.MANIFEST_AMBIGUOUS: [(IMAGE, 'if "manifests" in manifest or "fsLayers" in manifest:', NEVER)],
    Refusal.MANIFEST_COUNT: [
        (LAYOUT, "if len(listed) > _MOST_MANIFESTS:", NEVER),
        (REFERRERS, "if len(listed) > _MOST:", NEVER),
    ],
    Refusal.MANIFEST_SUBJECT: [(REFERRERS, "if found != subject:", NEVER)],
    Refusal.FOREIGN_LAYER: [(DESCRIPTOR, 'if member(value, "urls", where) or member(value, "data", where):', NEVER)],
    Refusal.LAYER_COUNT: [(IMAGE, "if len(listed) > _LAYER_LIMIT:", NEVER)],
    Refusal.DIFF_IDS: [(IMAGE, "if len(diff_ids) != len(descriptors):", NEVER)],
    Refusal.DIGEST_FORM: [
        (DESCRIPTOR, "except DigestError as error:", "except ZeroDivisionError as error:"),
        ("runtime.digest", "if not _FORM.fullmatch(self.text):", NEVER),
    ],
    Refusal.BLOB_DIGEST: [(STREAM, "if self._compressed.hexdigest() != self._descriptor.digest.hex:", NEVER)],
    Refusal.BLOB_SIZE: [
        (STREAM, "if self._in != self._descriptor.size:", NEVER),
        (IMAGE, "if len(raw) != described.size:", NEVER),
        (DESCRIPTOR, "if size < 0:", NEVER),
    ],
    Refusal.DIFF_ID: [(STREAM, "if self._plain.hexdigest() != self._diff_id.hex:", NEVER)],
    Refusal.COMPRESSION: [
        (STREAM, "if self._unit is not None:", NEVER),
        (STREAM, 'if not isinstance(error, zlib.error) and type(error).__name__ != "ZstdError":', "if True:"),
    ],
    Refusal.COMPRESSION_TRAILING: [
        (STREAM, "if not magic.startswith(data[: len(magic)]) and not data.startswith(magic):", NEVER)
    ],
    Refusal.COMPRESSION_RATIO: [(STREAM, "self._out > self._limits.ratio * self._in:", "False:")],
    Refusal.TOTAL_SIZE: [(STREAM, "if self._out > self._limits.total:", NEVER)],
    Refusal.TAR_TRUNCATED: [(ARCHIVE, "if len(content) != size:", NEVER)],
    Refusal.TAR_CHECKSUM: [(HEADERS, "if found != wanted:", NEVER)],
    Refusal.TAR_MAGIC: [(HEADERS, "if block[257:265] not in _KNOWN_MAGIC:", NEVER)],
    Refusal.TAR_NUMBER: [
        (HEADERS, "if raw[0] & 0x40:", NEVER),
        (HEADERS, 'if digits.strip(b"01234567") or raw.lstrip(b" ")[: len(digits)] != digits:', NEVER),
    ],
    Refusal.TAR_PADDING: [
        (ARCHIVE, 'if _read(source, -size % BLOCK).strip(b"\\0"):', "if not _read(source, -size % BLOCK) and False:")
    ],
    Refusal.TAR_TRAILING: [
        (ARCHIVE, 'if _read(source, BLOCK).strip(b"\\0"):', "if not _read(source, BLOCK):"),
        (ARCHIVE, 'if rest.strip(b"\\0"):', NEVER),
    ],
    Refusal.TAR_TYPE: [
        (ARCHIVE, "if flag not in set(Kind):", 'flag = flag if flag in set(Kind) else "0"\n    if False:')
    ],
    Refusal.TAR_SPARSE: [
        (ARCHIVE, "if header.flag in _REFUSED_FLAGS:", 'if header.flag in _REFUSED_FLAGS and header.flag != b"S":')
    ],
    Refusal.TAR_LINK_SIZE: [(ARCHIVE, "if kind is not Kind.FILE and field_value:", NEVER)],
    Refusal.PAX_SYNTAX: [
        (HEADERS, 'if not space or not digits.isdigit() or len(digits) > 8 or digits.startswith(b"0"):', NEVER),
        (
            HEADERS,
            'if int(digits) > len(digits) + 1 + len(record) or not record.endswith(b"\\n") or not equals or not key:',
            NEVER,
        ),
        (ARCHIVE, "if record is not None and not _TIME_FORM.fullmatch(record):", NEVER),
        (ARCHIVE, "if not record.isdigit() or len(record) > 19:", NEVER),
    ],
    Refusal.PAX_SIZE: [(ARCHIVE, "if header.size > limits.pax:", NEVER)],
    Refusal.PAX_KEY: [
        (ARCHIVE, "elif key not in _KNOWN_KEYS and not key.startswith(_XATTR_LIBARCHIVE):", "elif False:")
    ],
    Refusal.PAX_DUPLICATE: [
        (HEADERS, "if key in records:", NEVER),
        (ARCHIVE, 'case b"x" if pending.records or pending.gnu:', 'case b"x" if False:'),
        (ARCHIVE, "if flag in pending.gnu or pending.records:", NEVER),
    ],
    Refusal.PAX_GLOBAL: [(ARCHIVE, "if parse_records(content).keys() - _IGNORED_KEYS:", NEVER)],
    Refusal.PAX_DISAGREES: [(ARCHIVE, "if record is not None and _decimal(record, name) != field_value:", NEVER)],
    Refusal.PAX_LOST: [(ARCHIVE, "if pending.records or pending.gnu:\n        raise", "if False:\n        raise")],
    Refusal.ENTRY_COUNT: [
        (ARCHIVE, "if count > limits.entries:", NEVER),
        (UNPACK, "if len(folder) > caps.entries:", NEVER),
    ],
    Refusal.METADATA_SIZE: [(UNPACK, "if folder.names + kept > caps.metadata:", NEVER)],
    Refusal.FILE_SIZE: [(ARCHIVE, "if field_value > limits.file:", NEVER)],
    Refusal.NAME_EMPTY: [(ARCHIVE, "if not name:", NEVER)],
    Refusal.NAME_ABSOLUTE: [
        (ARCHIVE, 'if name.startswith(b"/"):', NEVER),
        (UNPACK, 'if path.startswith(b"/"):', NEVER),
    ],
    Refusal.NAME_PARENT: [(UNPACK, 'if b".." in parts:', NEVER)],
    Refusal.NAME_DOT: [(UNPACK, 'if b"" in parts or b"." in parts:', NEVER)],
    Refusal.NAME_NUL: [
        (ARCHIVE, 'if b"\\0" in name:', NEVER),
        (HEADERS, 'if rest.strip(b"\\0"):', NEVER),
    ],
    Refusal.NAME_LENGTH: [(UNPACK, "if max(map(len, parts)) > _COMPONENT:", NEVER)],
    Refusal.PATH_LENGTH: [(UNPACK, "if len(normal) > _PATH:", NEVER)],
    Refusal.PATH_DEPTH: [(UNPACK, "if len(parts) > limits.depth:", NEVER)],
    Refusal.NAME_DUPLICATE: [
        (FOLDER, "if path in self._kinds:\n            raise", "if False:\n            raise"),
        (FOLDER, "if self._kinds[entry.path] is not Kind.DIRECTORY:", NEVER),
    ],
    Refusal.NAME_SLASH: [(ARCHIVE, 'if name.endswith(b"/") and kind is not Kind.DIRECTORY:', NEVER)],
    Refusal.THROUGH_LINK: [
        (
            FOLDER,
            "if kind is not Kind.DIRECTORY:\n            reason = Refusal.THROUGH",
            "if False:\n            reason = Refusal.THROUGH",
        )
    ],
    Refusal.THROUGH_FILE: [
        (
            FOLDER,
            "if kind is not Kind.DIRECTORY:\n            reason = Refusal.THROUGH",
            "if False:\n            reason = Refusal.THROUGH",
        )
    ],
    Refusal.ROOT_TYPE: [
        (
            UNPACK,
            "elif not path and entry.kind is not Kind.DIRECTORY:",
            "elif False:",
            FOLDER,
            "if not path:\n            return Refusal.ROOT_TYPE",
            "if False:\n            return Refusal.ROOT_TYPE",
        )
    ],
    Refusal.LINK_TARGET: [
        (ARCHIVE, 'if is_link and (not entry.target or len(entry.target) > 4095 or b"\\0" in entry.target):', NEVER)
    ],
    Refusal.HARDLINK_ABSENT: [(FOLDER, "if kind is None:\n            message", "if False:\n            message")],
    Refusal.HARDLINK_TYPE: [(FOLDER, "if kind not in (Kind.FILE, Kind.HARDLINK):", NEVER)],
    Refusal.DEVICE: [
        (ARCHIVE, "if header.flag in _REFUSED_FLAGS:", 'if header.flag in _REFUSED_FLAGS and header.flag not in b"34":')
    ],
    Refusal.FIFO: [
        (ARCHIVE, "if header.flag in _REFUSED_FLAGS:", 'if header.flag in _REFUSED_FLAGS and header.flag != b"6":')
    ],
    Refusal.MODE: [(ARCHIVE, "if mode & ~0o7777 not in (0, _MODES[kind]):", NEVER)],
    Refusal.OWNER: [(ARCHIVE, "if value > _LAST_ID and value != _ARBITRARY:", NEVER)],
    Refusal.TIME: [(ARCHIVE, "if not 0 <= value <= _LAST_TIME:", NEVER)],
    Refusal.XATTR_NAME: [
        (ARCHIVE, 'if not key.startswith(b"user.") or len(key) > 255 or not key.isascii() or b"\\0" in key:', NEVER)
    ],
    Refusal.XATTR_OWNER: [(ARCHIVE, "if key.startswith(OURS.encode()):", NEVER)],
    Refusal.XATTR_OVERLAY: [(ARCHIVE, 'if key.startswith((b"user.overlay.", b"trusted.overlay.")):', NEVER)],
    Refusal.XATTR_SIZE: [(ARCHIVE, "> limits.xattrs:", "> 1 << 40:")],
    Refusal.XATTR_ON_LINK: [(ARCHIVE, "if entry.xattrs and kind not in (Kind.FILE, Kind.DIRECTORY):", NEVER)],
    Refusal.CAPABILITY: [(ARCHIVE, "if len(value) != 20 or value[3] != 2:", NEVER)],
    Refusal.WHITEOUT_NAME: [
        (UNPACK, 'if hidden in (b"", b".", b".."):', NEVER),
        (UNPACK, 'if any(part.startswith(WHITEOUT) for part in folder.split(b"/")):', NEVER),
    ],
    Refusal.WHITEOUT_ROOT: [(UNPACK, 'if hidden in (b"", b".", b".."):', NEVER)],
    Refusal.WHITEOUT_TYPE: [(UNPACK, "if entry.kind is not Kind.FILE or entry.size:", NEVER)],
    Refusal.WHITEOUT_RESERVED: [(UNPACK, "if hidden.startswith(WHITEOUT):", NEVER)],
    Refusal.WHITEOUT_CONFLICT: [
        (FOLDER, "if self.has(path):", NEVER),
    ],
}
"""Reason → the checks that give it: module, what the check reads, and what it reads where it is disabled.

Where a second check stands behind the first, both are disabled. What only stands behind another one (a blob's size
while it is read) has no mutant."""

PATIENCE = 1.0
"""Seconds after which a fixture counts as not refused: without a check some are read for ever."""

CHECKS = [(reason, number) for reason, mutants in MUTANTS.items() for number in range(len(mutants))]


@pytest.mark.bar("7 mutants")
@pytest.mark.parametrize(("reason", "number"), CHECKS, ids=[f"{reason}-{number}" for reason, number in CHECKS])
def test_hostile_input_is_not_refused_as_before_without_its_check(reason, number, tmp_path):
    fixtures = [name for name, each in {**CASES, **DOCUMENTS}.items() if each.reason is reason]
    mutant = MUTANTS[reason][number]
    with contextlib.ExitStack() as stack:
        for start in range(0, len(mutant), 3):
            stack.enter_context(disabled(*mutant[start : start + 3]))
        found = {
            name: verdict(name, tmp_path / f"without-{index}" / "a" / "b" / "c") for index, name in enumerate(fixtures)
        }
    assert {name for name, why in found.items() if why is not reason}, found


def test_every_reason_has_a_mutant():
    assert set(MUTANTS) == set(Refusal)


def verdict(name, root):
    """Return the reason for which a fixture is refused; what a missing check leads to may be any error, or none."""
    root.mkdir(parents=True)
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        if name in DOCUMENTS:
            DOCUMENTS[name].read(root)
        else:
            unpack(CASES[name].archive, root, **CASES[name].told)
    except RefusedError as error:
        return error.reason
    except Exception as error:  # noqa: BLE001 - without a check, whatever stood behind it
        return type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _give_up(*_):
    raise TimeoutError
