"""Read JSON that came as evidence: hostile until it has been looked at, and told with the codes of evidence."""

import base64
from collections.abc import Collection, Mapping

from pipeline.release.refusal import Refusal, RefusedEvidenceError
from runtime.canonical import Json
from runtime.oci.document import parse_document
from runtime.oci.refusal import RefusedError


def parse_object(raw: bytes, what: str) -> Mapping[str, Json]:
    """Parse one JSON object; see ``runtime.oci.document.parse_document``.

    Raises:
        RefusedEvidenceError: it is too large, no JSON, no object, too deep, has a key twice or a number with a
            fraction.
    """
    try:
        return parse_document(raw, what)
    except RefusedError as error:
        raise RefusedEvidenceError(Refusal(error.reason.value), error.message.rpartition(" [")[0]) from error


def require_fields(
    value: Json, what: str, reason: Refusal, *, required: Collection[str], optional: Collection[str] = ()
) -> Mapping[str, Json]:
    """Return ``value`` if it is an object with all of some keys and none beside them and the optional ones.

    Raises:
        RefusedEvidenceError: it is no object (``json-type``), or lacks a key or has another one (``reason``).
    """
    if not isinstance(value, Mapping):
        raise RefusedEvidenceError(Refusal.JSON_TYPE, f"{what} is {_kind(value)}, not an object")
    missing = sorted(set(required) - value.keys())
    unknown = sorted(value.keys() - set(required) - set(optional))
    if missing or unknown:
        problem = f"has the unknown key {unknown[0]!a}" if unknown else f"lacks the key {missing[0]!r}"
        raise RefusedEvidenceError(reason, f"{what} {problem}")
    return value


def require_text(value: Json, what: str) -> str:
    """Return ``value`` if it is text; refuse it otherwise."""
    if not isinstance(value, str):
        raise RefusedEvidenceError(Refusal.JSON_TYPE, f"{what} is {_kind(value)}, not text")
    return value


def require_items(value: Json, what: str) -> tuple[Json, ...]:
    """Return the items of a list; refuse anything else."""
    if not isinstance(value, list | tuple):
        raise RefusedEvidenceError(Refusal.JSON_TYPE, f"{what} is {_kind(value)}, not a list")
    return tuple(value)


def decode_base64(value: Json, what: str) -> bytes:
    """Return what some standard base64 stands for.

    The URL-safe alphabet, missing padding, white space and bits that are left over are refused: one text for one
    content, so that two readers cannot see two things.

    Raises:
        RefusedEvidenceError: it has another form.

    Source: RFC 4648, section 4, and section 3.5, "Canonical Encoding".
    """
    text = require_text(value, what)
    try:
        content = base64.b64decode(text)
    except ValueError as error:
        raise RefusedEvidenceError(Refusal.BASE64, f"{what} is no standard base64") from error
    if encode_base64(content) != text:  # which also finds what the library passes over
        raise RefusedEvidenceError(Refusal.BASE64, f"{what} is no standard base64 in its one form")
    return content


def encode_base64(content: bytes) -> str:
    """Return content as standard base64, with padding."""
    return base64.b64encode(content).decode("ascii")


def _kind(value: object) -> str:
    return "missing" if value is None else type(value).__name__
