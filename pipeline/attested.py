"""What was signed already: a verification that ran nothing anew has nothing new to sign, and loads no cryptography.

That spares more than time: evidence that was signed again without a run would look younger than what it tells of.
"""

import json
from pathlib import Path

from pipeline.release.released import verified_name
from pipeline.verify.verdict import EnvironmentResult
from runtime.canonical import Json, to_canonical_json
from runtime.digest import Digest
from runtime.errors import SeatrialError
from runtime.oci.attached import AttachedLayout
from runtime.oci.layout import Layout
from runtime.oci.temporary import write_whole

FOLDER = "signed"
"""Of a store: one file for what was signed of an environment or an image, with the artifacts that lay there then."""


def is_attested(result: EnvironmentResult, key: Digest, store: Path) -> bool:
    """Tell whether a key has signed a result that no run was made for, and all of that still lies beside the image.

    Args:
        result: what was found.
        key: the digest of what names the key.
        store: its folder.
    """
    if result.work.runs or not is_remembered(_facts(result, key), result.image, store):
        return False
    try:
        last = Layout.existing(store / "oci").resolve(verified_name(result.name))
    except SeatrialError:
        return False
    return last is not None and last.digest == result.image


def remember_attested(result: EnvironmentResult, key: Digest, store: Path) -> None:
    """Keep that a key has signed a result; see ``remember``."""
    remember(_facts(result, key), result.image, store)


def is_remembered(facts: Json, image: Digest, store: Path) -> bool:
    """Tell whether something was signed of an image, and all that lay beside it then still does.

    Args:
        facts: what was signed, and by whom.
        image: the digest of its manifest.
        store: its folder.
    """
    try:
        kept = json.loads(_path(facts, store).read_bytes())
        there = {each.digest.text for each in AttachedLayout(Layout.existing(store / "oci")).referrers(image)}
    except (OSError, ValueError, SeatrialError):
        return False
    return isinstance(kept, list) and bool(kept) and there.issuperset(map(str, kept))


def remember(facts: Json, image: Digest, store: Path) -> None:
    """Keep that something was signed of an image, and which artifacts lie beside it now.

    Raises:
        OSError: it cannot be kept.
    """
    there = [each.digest.text for each in AttachedLayout(Layout(store / "oci")).referrers(image)]
    path = _path(facts, store)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, to_canonical_json(there), is_lasting=False)


def _path(facts: Json, store: Path) -> Path:
    return store / FOLDER / f"{Digest.of_json(facts).hex}.json"


def _facts(result: EnvironmentResult, key: Digest) -> Json:
    """Return what two results have in common that are signed as one."""
    return {
        "key": key.text,
        "image": result.image.text,
        "lock": result.lock.text if result.lock else None,
        "suite": result.suite.text,
        "normalization": result.normalization.text if result.normalization else None,
        "verdict": result.verdict.value,
        "hermetic": result.hermetic,
        "hosts": [
            [each.name, each.digest.text, each.state.value, each.verdict.value, str(each.behavior)]
            for each in result.hosts
        ],
        "ignored": [[each.test, each.host, each.reason, each.used] for each in result.ignores],
    }
