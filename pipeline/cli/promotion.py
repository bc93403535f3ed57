"""What `promote`, `rollback` and `status` share: where everything is looked up, and how a promotion is shown."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.cli import faults

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from pipeline.changed import Change
    from pipeline.entering import Entry
    from pipeline.gating import Grounds
    from pipeline.promoting import Promoted, Wish
    from pipeline.release.journal import Journal
    from pipeline.release.public_key import PublicKey
    from pipeline.report.text import Ink

JOURNALS = "promotions"
"""The folder of a store for the journals of promotions."""

_BESIDE = Path("envs", "spec.yaml")  # stages and hosts are looked up as for a spec there


def now() -> int:
    """Return the seconds since 1970."""
    return int(time.time())


def app_name(word: str) -> str:
    """Return the name of an app: of a spec's file, or as people call it; its spec need not be here.

    Raises:
        SpecFaults: there is such a file, and it has faults.
    """
    path = Path(word) if word.endswith((".yaml", ".yml")) else Path("envs", f"{word}.yaml")
    if not path.is_file() and path != Path(word):
        return word
    from pipeline.declare.read import read_spec  # noqa: PLC0415 - keeps the imports of --help few

    return read_spec(path).name


@contextmanager
def opened_place(arguments: argparse.Namespace, *, makes_key: bool = True) -> Iterator[Grounds]:
    """Yield where stages, hosts, images and keys are looked up, from the folder of the project.

    Args:
        arguments: of the command line.
        makes_key: whether this machine's key is made where it has none: not for who reads only.

    Raises:
        RefusedEvidenceError: the keyring is not to be trusted.
        KeysError: this machine's key, or the keyring, cannot be read.
    """
    from pipeline.build.sources import read_sources  # noqa: PLC0415 - likewise
    from pipeline.cli.keys import KEYRING  # noqa: PLC0415 - likewise
    from pipeline.cli.options import store_path  # noqa: PLC0415 - likewise
    from pipeline.declare.hosts import Catalogue  # noqa: PLC0415 - likewise
    from pipeline.declare.stage_catalogue import StageCatalogue  # noqa: PLC0415 - likewise
    from pipeline.declare.tree import project_tree  # noqa: PLC0415 - likewise
    from pipeline.gating import Grounds  # noqa: PLC0415 - likewise
    from pipeline.registry.http import Connections  # noqa: PLC0415 - likewise
    from pipeline.release.key_place import keys_folder  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_file import Trust  # noqa: PLC0415 - likewise
    from pipeline.release.keyring_place import trusted_keyring  # noqa: PLC0415 - likewise
    from pipeline.release.seen import Seen  # noqa: PLC0415 - likewise

    folder = keys_folder(os.environ, Path.home())
    path = project_tree(_BESIDE) / KEYRING
    keyring = trusted_keyring(path, Trust(), Seen(folder), now()).keyring if path.exists() else None
    connections = Connections(read_sources(os.environ, Path.home()).access, size=4)
    try:
        yield Grounds(
            stages=StageCatalogue.of(_BESIDE),
            hosts=Catalogue.of(_BESIDE),
            store=store_path(arguments),
            connections=connections,
            keyring=keyring,
            local=_machine(folder, makes_key=makes_key),
        )
    finally:
        connections.close()


def _machine(folder: Path, *, makes_key: bool) -> PublicKey | None:
    """Return this machine's key; None where it has none, and none can be made: a registry's stages ask for none."""
    from pipeline.declare.errors import KeysError  # noqa: PLC0415 - likewise
    from pipeline.release.key_place import MACHINE  # noqa: PLC0415 - likewise
    from pipeline.release.private_key import machine_key  # noqa: PLC0415 - likewise

    is_there = (folder / MACHINE).exists()
    if not is_there and not makes_key:
        return None
    try:
        return machine_key(folder).public
    except KeysError:
        if is_there:
            raise
        return None


def journal_of(place: Grounds) -> Journal:
    """Return where promotions are written down."""
    from pipeline.release.journal import Journal  # noqa: PLC0415 - likewise

    return Journal(place.store / JOURNALS, clock=now)


def carry_out(arguments: argparse.Namespace, enter: Callable[[Grounds], Entry]) -> int:
    """Promote what ``enter`` returns, show what became of it, and return the exit code."""
    from pipeline.cli import stopping  # noqa: PLC0415 - likewise
    from pipeline.promoting import promote  # noqa: PLC0415 - likewise
    from pipeline.report.live import progress  # noqa: PLC0415 - likewise
    from pipeline.report.text import Ink  # noqa: PLC0415 - likewise
    from pipeline.verify.environment import Interrupted  # noqa: PLC0415 - likewise

    silent = arguments.quiet or arguments.no_progress
    try:
        with opened_place(arguments) as place, progress(sys.stderr, os.environ, silent=silent) as shown:
            done = promote(enter(place), place, _wish(arguments, place, shown.tell))
    except Interrupted as stop:
        sys.stderr.write("interrupted; the stage has what it had, and the next promotion goes on\n")
        return stopping.exit_code(stop.__cause__)
    if arguments.json:
        sys.stdout.write(json.dumps(document(done), indent=1, ensure_ascii=False) + "\n")
    else:
        shown_lines = lines(done, Ink.of(sys.stdout, os.environ), quiet=arguments.quiet)
        sys.stdout.writelines(f"{line}\n" for line in shown_lines)
    return exit_code(done)


def exit_code(done: Promoted) -> int:
    """Return the exit code of a promotion: 0 where the stage has the release, 3 where that could not be found out."""
    return {"PROMOTED": faults.PASSED, "ALREADY": faults.PASSED, "INCONCLUSIVE": faults.INCONCLUSIVE}.get(
        done.ending, faults.FAILED
    )


def lines(done: Promoted, ink: Ink, *, quiet: bool) -> Iterator[str]:
    """Yield what is shown of a promotion."""
    from pipeline.report.text import visible  # noqa: PLC0415 - likewise

    entry = done.entry
    stage, release = entry.policy.stage, entry.released.digest.short
    if done.decision.refusals:
        yield f"{ink.paint('refused', 'red')}  {stage} does not take {entry.app} {release}"
        for each in done.decision.refusals:
            yield f"  {each.code}  {visible(each.line)}"
        return
    if not quiet:
        yield from (visible(line) for line in _way(done))
    for answer in done.answers:
        for change in answer.changes:
            yield from (visible(line) for line in _changed(change))
    yield _last(done, ink)


def document(done: Promoted) -> dict[str, object]:
    """Return what ``--json`` prints."""
    entry, accepted = done.entry, done.acceptance
    return {
        "schema": "https://seatrial.dev/promoted/v1",
        "ending": done.ending.value,
        "app": entry.app,
        "stage": entry.policy.stage,
        "store": entry.target.place,
        "release": entry.released.digest.text,
        "previous": entry.live.text if entry.live else None,
        "number": accepted.number if accepted else None,
        "bytes": done.moved.bytes if done.moved else 0,
        "refusals": [{"code": each.code, "line": each.line} for each in done.decision.refusals],
        "hosts": [
            {
                "image": answer.result.image.text,
                "name": host.name,
                "verdict": host.verdict.value,
                "behavior": host.behavior.text if host.behavior else None,
                "reasons": list(host.reasons),
            }
            for answer in done.answers
            for host in answer.result.hosts
        ],
        "unasked": list(done.unasked),
        "changes": [_change(each) for answer in done.answers for each in answer.changes],
    }


def _change(change: Change) -> dict[str, object]:
    return {
        "host": change.host,
        "before": change.before.text,
        "now": change.now.text if change.now else None,
        "differences": [
            {"kind": each.kind.value, "id": each.id, "before": each.reference, "now": each.here}
            for each in change.differences
        ],
        "cause": change.cause.name if change.cause else None,
        "suspects": [
            {"name": each.name, "before": each.before, "now": each.now, "state": each.state.value, "told": each.told}
            for each in change.suspects
        ],
    }


def _wish(arguments: argparse.Namespace, place: Grounds, tell: Callable[[object], None]) -> Wish:
    from pipeline.cli.bill import own_version  # noqa: PLC0415 - likewise
    from pipeline.cli.options import options  # noqa: PLC0415 - likewise
    from pipeline.cli.signer import chosen_signer  # noqa: PLC0415 - likewise
    from pipeline.promoting import Wish  # noqa: PLC0415 - likewise

    return Wish(
        signer=chosen_signer(arguments.key),
        options=options(arguments),
        journal=journal_of(place),
        clock=now,
        tell=tell,
        version=own_version(),
        takes_over=arguments.take_over,
    )


def _way(done: Promoted) -> Iterator[str]:
    from pipeline.report.text import count  # noqa: PLC0415 - likewise

    entry, opened = done.entry, done.decision.accepted
    if opened is None:
        return
    hosts, inputs = count(len(entry.policy.hosts), "host"), count(len(opened.inputs), "statement")
    yield f"gate    open: {hosts} PASSED, by {inputs}"
    if done.moved is not None:
        documents = count(done.moved.documents, "document")
        yield f"moved   {done.moved.bytes / 2**20:.1f} MiB in {documents} to {entry.target.place}"
        for left in done.moved.left_out:
            yield f"        left out: {left.artifact.digest.short}: {left.problem}"
    for answer in done.answers:
        alike = {each.host for each in answer.changes}
        named = [f"{each.name} {'changed' if each.name in alike else each.verdict}" for each in answer.result.hosts]
        yield f"asked   {', '.join(named)}"
        for host in answer.result.hosts:
            yield from (f"        {host.name}: {reason}" for reason in host.reasons)
    if done.unasked:
        yield f"        not asked again on this machine: {', '.join(done.unasked)}; their evidence counts as it is"


def _changed(change: Change) -> Iterator[str]:
    now_ = change.now.short if change.now else "nothing"
    yield f"changed on {change.host}: {change.before.short} was signed before, and it is {now_} now"
    for each in change.differences[:_MOST]:
        yield f"  {each.id}  {each.reference} before, {each.here} now"
    if len(change.differences) > _MOST:
        yield f"  and {len(change.differences) - _MOST} more"
    if not change.differences:
        yield "  how it behaved before is not kept; its digest is"
    for suspect in change.suspects:
        word = {"CAUSED": "cause", "CLEARED": "innocent", "UNTRIED": "differs"}[suspect.state]
        yield f"  {word}  {suspect.name} {suspect.before}, now {suspect.now}: {suspect.told}"
    if change.cause is None:
        yield "  cause  not found"


_MOST = 20


def _last(done: Promoted, ink: Ink) -> str:
    entry = done.entry
    stage, release = entry.policy.stage, entry.released.digest.short
    if done.ending.value in {"PROMOTED", "ALREADY"}:
        number = f", promotion {done.acceptance.number}" if done.acceptance else ""
        already = " already" if done.ending.value == "ALREADY" else ""
        return f"{ink.paint('live', 'green')}  {stage} has {entry.app} {release}{already}{number}"
    had = f"has {entry.live.short}" if entry.live else "has nothing"
    return f"{ink.paint(done.ending.value, 'red')}  {stage} does not take {entry.app} {release}, and still {had}"
