"""What a server answers that is no success, as errors that say what may be done about it.

Source: OCI distribution specification, spec.md, "Error Codes"; RFC 9110, section 10.2.3, "Retry-After".
"""

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pipeline.declare.errors import FetchError, MissingError
from pipeline.declare.reasons import Reason

if TYPE_CHECKING:
    import urllib3

PROBLEM_LIMIT = 16 * 1024
"""Bytes of an answer that says what is wrong; no more is read."""

PROXY_STATUS = 407
"""Of HTTP: a proxy refuses."""

_SHOWN = 3  # errors of one answer
_LENGTH = 200  # characters of one message
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class TransientError(FetchError):
    """The same request may succeed a little later: name resolution, connection, a busy server, a short read.

    Args:
        message: what happened.
        hint: the next step.
        reason: as of every error.
        after: seconds that the server wants to be left alone for; None where it does not say.
    """

    def __init__(
        self, message: str, *, hint: str = "", reason: Reason | None = None, after: float | None = None
    ) -> None:
        super().__init__(message, hint=hint, reason=reason)
        self.after = after


class LongAnswerError(FetchError):
    """There is more of it than is read."""


class ChallengeError(FetchError):
    """The server wants to be asked with an authorization; ``challenge`` is how it says so, as hostile as all else."""

    def __init__(self, message: str, *, hint: str = "", reason: Reason | None = None, challenge: str = "") -> None:
        super().__init__(message, hint=hint, reason=reason)
        self.challenge = challenge


class StatusError(FetchError):
    """The server refuses.

    Args:
        message: what it says.
        reason: as of every error.
        status: of HTTP.
        codes: of the distribution specification, as ``MANIFEST_BLOB_UNKNOWN``; hostile as all else.
    """

    def __init__(self, message: str, *, reason: Reason | None = None, status: int, codes: tuple[str, ...] = ()) -> None:
        super().__init__(message, reason=reason)
        self.status = status
        self.codes = codes


def refuse_status(response: "urllib3.BaseHTTPResponse", said: bytes = b"") -> None:
    """Raise the error of an answer that is no success.

    Args:
        response: its content is not read any more.
        said: the content, as far as it was read.

    Raises:
        TransientError, ChallengeError, MissingError, StatusError, FetchError: as the status says.
    """
    status = response.status
    if status == 200:
        return
    response.close()
    problems = problems_of(response.headers, said)
    answer = f"HTTP {status}: {'; '.join(problems)}" if problems else f"HTTP {status}"
    if status in {404, 410}:
        raise MissingError(f"there is no such file ({answer})")
    if status in {408, 425, 429} or status >= 500:
        after = seconds_of(response.headers.get("Retry-After", ""), time.time())
        raise TransientError(f"the server is not able to answer now ({answer})", after=after)
    refused = f"access is refused ({answer}); credentials come from netrc or the configured URL"
    if status == 401:
        challenge = response.headers.get("WWW-Authenticate", "")
        raise ChallengeError(refused, challenge=challenge, reason=Reason.ACCESS)
    if status == 403:
        raise StatusError(refused, status=status, reason=Reason.ACCESS)
    if status == PROXY_STATUS:
        raise proxy_refusal()
    codes = tuple(each.partition(":")[0] for each in problems)
    raise StatusError(f"the server answered with {answer}", status=status, codes=codes)


def proxy_refusal() -> FetchError:
    """Return the error of a proxy that wants to know who asks."""
    return FetchError(
        f"the proxy wants to know who asks (HTTP {PROXY_STATUS})",
        hint="write user and password into http_proxy, as http://USER:PASSWORD@HOST:PORT; they are never shown",
        reason=Reason.PROXY,
    )


def problems_of(headers: Mapping[str, str], said: bytes) -> tuple[str, ...]:
    """Return what a registry says of its refusal, each as ``CODE: message``.

    What it says is hostile: only codes of the specification's form are told, and printable text of a limited length.
    """
    if not headers.get("Content-Type", "").startswith("application/json"):
        return ()
    try:
        document = json.loads(said)
    except (ValueError, RecursionError):
        return ()
    listed = document.get("errors") if isinstance(document, dict) else None
    return tuple(text for each in listed[:_SHOWN] if (text := _problem(each))) if isinstance(listed, list) else ()


def seconds_of(retry_after: str, now: float) -> float | None:
    """Return the seconds of a ``Retry-After``, which says them or a date; None if it says neither.

    Args:
        retry_after: the header.
        now: seconds since 1970.
    """
    if re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def printable(text: str, length: int) -> str:
    """Return the beginning of a text of others as messages may show it: on one line, without control characters."""
    return "".join(each if each.isprintable() else "?" for each in text[:length])


def _problem(said: object) -> str:
    if not isinstance(said, dict) or not isinstance(said.get("code"), str) or not _CODE.fullmatch(said["code"]):
        return ""
    message = said.get("message")
    text = printable(message, _LENGTH) if isinstance(message, str) else ""
    return f"{said['code']}: {text}" if text else str(said["code"])
