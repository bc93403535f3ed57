"""``gate``: tell whether a release may enter a stage, by what is signed beside it."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import faults
from pipeline.cli.keys import KEYRING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from pipeline.gating import Asked
    from pipeline.release.acceptance import AcceptedImage
    from pipeline.release.gate_refusal import GateRefusal
    from pipeline.release.keyring import Keyring
    from pipeline.release.public_key import PublicKey
    from pipeline.report.text import Ink

EXAMPLES = """\
examples:
  seatrial gate web --stage dev                           what was verified here last
  seatrial gate web --stage prod                          what stands in the stage before
  seatrial gate oci:DIR --stage prod --app web --json     any copy of it, for another program"""

_BESIDE = Path("envs", "spec.yaml")  # stages and hosts are looked up as for a spec there


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument(
        "image", metavar="IMAGE", help="the name of an app; or oci:DIR[:NAME|@DIGEST], sha256:…, HOST/NAME:TAG"
    )
    parser.add_argument("--stage", metavar="STAGE", required=True, help="the stage that it is to enter")
    parser.add_argument("--app", metavar="NAME", default="", help="which app it is, where its name does not say it")
    parser.add_argument("--keyring", metavar="FILE", default=KEYRING, help=f"whose signatures count ({KEYRING})")


def run(arguments: argparse.Namespace) -> int:
    """Print the decision; exit 1 if the gate stays shut."""
    # These two are a tenth of its processor time, measured: what is imported stays, so there is nothing to collect, and
    # pydantic looks for plug-ins in every package that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    try:
        asked = _ask(arguments)
        _print(asked, arguments)
    finally:
        gc.enable()
    return faults.PASSED if asked.decision.accepted else faults.FAILED


def _ask(arguments: argparse.Namespace) -> Asked:
    from pipeline.build.sources import read_sources  # noqa: PLC0415 - keeps the imports of --help few
    from pipeline.cli.options import store_path  # noqa: PLC0415 - likewise
    from pipeline.declare.hosts import Catalogue  # noqa: PLC0415 - likewise
    from pipeline.declare.stage_catalogue import StageCatalogue  # noqa: PLC0415 - likewise
    from pipeline.gating import Grounds, ask_gate  # noqa: PLC0415 - likewise
    from pipeline.registry.http import Connections  # noqa: PLC0415 - likewise

    now = int(time.time())
    with closing(Connections(read_sources(os.environ, Path.home()).access, size=4)) as connections:
        grounds = Grounds(
            stages=StageCatalogue.of(_BESIDE),
            hosts=Catalogue.of(_BESIDE),
            store=store_path(arguments),
            connections=connections,
            keyring=_keyring(arguments.keyring, now),
            local=_machine(),
        )
        return ask_gate(arguments.image, arguments.stage, grounds, app=arguments.app, now=now)


def _print(asked: Asked, arguments: argparse.Namespace) -> None:
    from pipeline.report.text import Ink  # noqa: PLC0415 - likewise

    if arguments.json:
        sys.stdout.write(json.dumps(document(asked), indent=1, ensure_ascii=False) + "\n")
    else:
        told = lines(asked, Ink.of(sys.stdout, os.environ), quiet=arguments.quiet, verbose=bool(arguments.verbose))
        sys.stdout.writelines(f"{line}\n" for line in told)


def lines(asked: Asked, ink: Ink, *, quiet: bool, verbose: bool) -> Iterator[str]:
    """Yield what people read: each reason, and the decision last.

    Args:
        asked: what was decided.
        ink: paints words, or does not.
        quiet: the decision alone.
        verbose: the bundles too that do not count although nothing is missing.
    """
    from pipeline.report.text import visible  # noqa: PLC0415 - likewise

    question, decision = asked.question, asked.decision
    what = f"{question.policy.stage}{{}} take{{}} {visible(question.app)} {question.released.digest.short}"
    if decision.accepted is None:
        if not quiet:
            yield from (f"  {ink.paint(each.code, 'yellow')}  {visible(each.line)}" for each in decision.refusals)
        count = len(decision.refusals)
        reasons = f"{count} reason{'s' * (count != 1)}"
        yield f"{ink.paint('refused', 'red')}  {what.format(' does not', '')}: {reasons}"
        return
    if verbose:
        yield from (
            f"  {each.code}  {each.bundle.short} does not count: {visible(each.message)}" for each in decision.rejected
        )
    hosts = len(question.policy.hosts)
    statements = len(decision.accepted.inputs)
    yield (
        f"{ink.paint('open', 'green')}  {what.format('', 's')}: PASSED on {hosts} host{'s' * (hosts != 1)}, "
        f"by {statements} statement{'s' * (statements != 1)}"
    )


def document(asked: Asked) -> dict[str, object]:
    """Return what programs read."""
    question, decision = asked.question, asked.decision
    accepted = decision.accepted
    return {
        "schema": "https://seatrial.dev/gate/v1",
        "decision": "OPEN" if accepted else "REFUSED",
        "stage": question.policy.stage,
        "app": question.app,
        "release": question.released.digest.text,
        "place": asked.place,
        "policy": question.policy.digest.text,
        "images": [_image(each) for each in accepted.images] if accepted else [],
        "inputs": [each.text for each in accepted.inputs] if accepted else [],
        "refusals": [_refusal(each) for each in decision.refusals],
        "rejected": [
            {"bundle": each.bundle.text, "code": each.code, "message": each.message} for each in decision.rejected
        ],
    }


def _image(image: AcceptedImage) -> dict[str, object]:
    return {
        "digest": image.digest.text,
        "architecture": image.architecture,
        "suite": image.suite.text,
        "normalization": image.normalization.text,
        "hosts": [
            {"name": each.name, "digest": each.digest.text, "behavior": each.behavior.text} for each in image.hosts
        ],
    }


def _refusal(refusal: GateRefusal) -> dict[str, object]:
    return {
        "code": refusal.code,
        "what": refusal.what,
        "who": refusal.who,
        "command": refusal.command,
        "line": refusal.line,
    }


def _keyring(name: str, now: int) -> Keyring | None:
    """Return the keyring that is named, or the project's if it has one; it has to be trusted."""
    from pipeline.declare.tree import project_tree  # noqa: PLC0415 - likewise

    path = project_tree(_BESIDE) / KEYRING if name == KEYRING else Path(name)
    if not path.exists() and name == KEYRING:
        return None
    from pipeline.release.key_place import keys_folder  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_file import Trust  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_place import trusted_keyring  # noqa: PLC0415 - likewise
    from pipeline.release.seen import Seen  # noqa: PLC0415 - likewise

    return trusted_keyring(path, Trust(), Seen(keys_folder(os.environ, Path.home())), now).keyring


def _machine() -> PublicKey | None:
    """Return this machine's key; a gate makes none."""
    from pipeline.release.key_place import MACHINE, keys_folder  # noqa: PLC0415 - likewise
    from pipeline.release.private_key import PrivateKey, read_key_file  # noqa: PLC0415 - likewise

    path = keys_folder(os.environ, Path.home()) / MACHINE
    return PrivateKey.parse(read_key_file(path), str(path)).public if path.exists() else None
