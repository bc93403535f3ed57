"""The report of the last run as a file, and ``Verification`` read back from one."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from pipeline.declare.errors import PipelineError
from pipeline.report import json as document
from pipeline.verify.compare import Difference, Kind
from pipeline.verify.explain import Cause, CauseState, Rate
from pipeline.verify.notes import Note, NoteKind
from pipeline.verify.verdict import (
    EnvironmentResult,
    Finding,
    HostResult,
    IgnoreUse,
    State,
    Unavailable,
    VerdictWord,
    Verification,
    Work,
)
from runtime.digest import Digest
from runtime.errors import DigestError
from runtime.oci import temporary
from runtime.outcome import Calls, Ending, Fidelity, Network

FOLDER = ".seatrial"
"""Beside the project: what a run leaves for its reader. It ignores itself in Git."""

LARGEST = 256 * 1024 * 1024
"""No report is larger; a file that is says so before it fills the memory."""

Fields: TypeAlias = Mapping[str, Any]


class ReportError(PipelineError):
    """A report cannot be read, or is none of ours."""


def save(verification: Verification, project: Path) -> Path:
    """Write the report of a run to ``.seatrial/report.json`` under ``project``, atomically.

    Raises:
        OSError: it cannot be written; an earlier report is as it was.
    """
    folder = project / FOLDER
    folder.mkdir(exist_ok=True)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("*\n")
    return write(folder / "report.json", document.render(verification))


def write(path: Path, text: str) -> Path:
    """Write a file whole or not at all: temporary file, fsync, rename.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    prefix = f".{path.name}.new-"
    temporary.sweep(path.parent, prefix=prefix)
    temporary.write_whole(path, text.encode(), prefix=prefix)
    return path


def load(path: Path) -> Verification:
    """Read a report back.

    Raises:
        ReportError: there is none, or it is no report of this format.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ReportError(f"{path} has {path.stat().st_size} bytes; no report is larger than {LARGEST}")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ReportError(f"no report at {path}", hint="run `seatrial verify`; it writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"cannot read the report {path}: {error}") from error
    try:
        return from_json(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path} is no JSON document: {error}") from error
    except ReportError as error:
        raise ReportError(f"{path}: {error.message}", hint=error.hint) from error


def from_json(value: object) -> Verification:
    """Return the verification that ``pipeline.report.json.to_json`` wrote as ``value``.

    Raises:
        ReportError: it is no report of this format.
    """
    if not isinstance(value, Mapping) or value.get("schema") != document.SCHEMA:
        found = value.get("schema") if isinstance(value, Mapping) else type(value).__name__
        raise ReportError(
            f"no verdict of this format: schema is {found!r}, want {document.SCHEMA!r}",
            hint="read it with the version of Seatrial that wrote it",
        )
    try:
        return _verification(value)
    except (KeyError, TypeError, ValueError, AttributeError, DigestError) as error:
        raise ReportError(f"the document misses or misuses a key: {error}") from error


def _verification(value: Fields) -> Verification:
    return Verification(
        verdict=VerdictWord(value["verdict"]),
        headline=_text(value["headline"]),
        environments=tuple(_environment(each) for each in value["environments"]),
        unavailable=tuple(
            Unavailable(**{key: _text(each[key]) for key in ("host", "reason", "hint")})
            for each in value["unavailable"]
        ),
        duration=_milliseconds(value["seconds"]),
        seed=int(value["seed"]),
        partial=bool(value["partial"]),
    )


def _environment(value: Fields) -> EnvironmentResult:
    return EnvironmentResult(
        name=_text(value["name"]),
        spec=_text(value["spec"]),
        headline=_text(value["headline"]),
        hint=_text(value["hint"]),
        lock=_digest(value["lock"]),
        image=Digest(value["image"]),
        suite=Digest(value["suite"]),
        normalization=_digest(value["normalization"]),
        unstable=_texts(value["unstable"]),
        verdict=VerdictWord(value["verdict"]),
        behavior=_digest(value["behavior"]),
        tests=_counts(value["tests"]),
        hosts=tuple(_host(each) for each in value["hosts"]),
        reasons=_texts(value["reasons"]),
        ignores=tuple(
            IgnoreUse(
                test=_text(each["test"]),
                host=_text(each["host"]),
                reason=_text(each["reason"]),
                used=int(each["used"]),
            )
            for each in value["ignored"]
        ),
        duration=_milliseconds(value["seconds"]),
        hermetic=bool(value["hermetic"]),
        work=_work(value.get("work", {})),  # reports of older versions have none
    )


def _work(value: Fields) -> Work:
    return Work(
        runs=int(value.get("runs", 0)),
        duration=_milliseconds(value.get("seconds", 0)),
        longest=_milliseconds(value.get("longest", 0)),
    )


def _host(value: Fields) -> HostResult:
    return HostResult(
        name=_text(value["name"]),
        digest=Digest(value["digest"]),
        factors=_levels(value["factors"]),
        state=State(value["state"]),
        verdict=VerdictWord(value["verdict"]),
        named=bool(value["named"]),
        reasons=_texts(value["reasons"]),
        hint=_text(value["hint"]),
        behavior=_digest(value["behavior"]),
        tests=_counts(value["tests"]),
        runs=int(value["runs"]),
        cached=int(value["cached"]),
        duration=_milliseconds(value["seconds"]),
        fidelity=Fidelity(value["fidelity"]),
        emulated=_texts(value.get("emulated", [])),
        evidence=_levels(value["evidence"]),
        ambient=_levels(value["ambient"]),
        sandbox=_digest(value.get("sandbox")),
        calls=Calls.from_json(value["calls"]) if value.get("calls") else None,
        network=Network.from_json(value["network"]) if value.get("network") else None,
        shutdown=None if value.get("shutdown") is None else tuple(map(Ending.from_json, value["shutdown"])),
        findings=tuple(_finding(each) for each in value["differences"]),
        notes=tuple(Note(kind=NoteKind(each["kind"]), text=_text(each["text"])) for each in value["notes"]),
    )


def _finding(value: Fields) -> Finding:
    return Finding(
        difference=Difference(
            kind=Kind(value["kind"]),
            line=int(value["line"]),
            is_cut=value.get("cut") is True,
            **{key: _text(value[key]) for key in ("id", "reference", "here", "message", "file")},
        ),
        cause=None if value["cause"] is None else _cause(value["cause"]),
        reproduce=_text(value["reproduce"]),
        ignored=_text(value["ignored"]),
    )


def _cause(value: Fields) -> Cause:
    return Cause(
        state=CauseState(value["state"]),
        factors=_levels(value["factors"]),
        confirmed=bool(value["confirmed"]),
        runs=int(value["runs"]),
        with_=_rate(value["with"]),
        without=_rate(value["without"]),
        removed=MappingProxyType({_text(name): _known_rate(each) for name, each in value.get("removed", {}).items()}),
        cleared=_texts(value["cleared"]),
        alternatives=tuple(_levels(each) for each in value["alternatives"]),
        line=int(value["line"]),
        # Reports of older versions have none.
        predicted={str(name): _texts(signs) for name, signs in value.get("predicted", {}).items()},
        **{key: _text(value[key]) for key in ("p_value", "test", "file", "hint", "reason")},
    )


def _rate(value: Fields | None) -> Rate | None:
    return None if value is None else _known_rate(value)


def _known_rate(value: Fields) -> Rate:
    return Rate(failed=int(value["failed"]), of=int(value["of"]), low=_text(value["low"]), high=_text(value["high"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return tuple(_text(each) for each in value)


def _levels(value: Fields) -> Mapping[str, str]:
    return MappingProxyType({_text(key): _text(item) for key, item in value.items()})


def _counts(value: Fields) -> Mapping[str, int]:
    return MappingProxyType({_text(key): int(item) for key, item in value.items()})


def _digest(value: str | None) -> Digest | None:
    return None if value is None else Digest(value)


def _milliseconds(value: float) -> int:
    return round(value * 1000)
