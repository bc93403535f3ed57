"""The signed index of one pocket of an archive: ``InRelease``, proven before a word of it is read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline.build.artifact import Artifact
from pipeline.build.ecosystems.debian.keyring import Keyring
from pipeline.build.ecosystems.debian.stanza import parse_stanza
from pipeline.declare.errors import ArchiveError
from pipeline.declare.reasons import Reason

_STRENGTH = (("sha512", "SHA512"), ("sha256", "SHA256"))
"""Hashes that count, the strongest first, with their names in a Release file. MD5 and SHA-1 do not count."""

_SKEW_SECONDS = 86400
_WRONG = "the archive itself was made wrong: tell whoever keeps it, or name another one in `mirror:`"
_ENTRY = re.compile(r"\s*(?P<digits>[0-9a-f]+)\s+(?P<size>[0-9]+)\s+(?P<path>\S+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What an ``InRelease`` says.

    Args:
        archive: ``debian`` or ``debian-security``.
        suite: the pocket, as ``bookworm-updates``.
        date: when the archive made it.
        valid_until: when it is no longer to be believed; None if it does not say.
        fields: all fields of the signed stanza, by lower-case name.
    """

    archive: str
    suite: str
    date: datetime
    valid_until: datetime | None
    fields: Mapping[str, str] = field(repr=False)

    def indexes(self, component: str, architecture: str) -> tuple[tuple[str, ...], ...]:
        """Return the folders whose ``Packages`` must be read for one component, as tuples of path parts."""
        listed = self.fields.get("architectures", "").split()
        folders = [(component, f"binary-{architecture}")]
        if "all" in listed and "packages" not in self.fields.get("no-support-for-architecture-all", "").lower():
            folders.append((component, "binary-all"))
        return tuple(folders)

    def find(self, path: str) -> Artifact | None:
        """Return the file at ``path`` below ``dists/SUITE`` by its strongest hash, or None if it is not listed."""
        for algorithm, name in _STRENGTH:
            entry = self._entry(name.lower(), path)
            if entry is None:
                continue
            digits, size = entry
            where = f"dists/{self.suite}/{path}"
            if self.fields.get("acquire-by-hash", "").lower() == "yes":
                where = f"dists/{self.suite}/{path.rpartition('/')[0]}/by-hash/{name}/{digits}"
            return Artifact(source=f"{self.archive}:{where}", size=size, hash=f"{algorithm}:{digits}")
        return None

    def size(self, path: str) -> int | None:
        """Return the length of the file at ``path``, or None if it is not listed."""
        for _, name in _STRENGTH:
            entry = self._entry(name.lower(), path)
            if entry is not None:
                return entry[1]
        return None

    def _entry(self, name: str, path: str) -> tuple[str, int] | None:
        for line in self.fields.get(name, "").split("\n"):
            if line.endswith(path):
                match = _ENTRY.fullmatch(line)
                if match is not None and match["path"] == path:
                    return match["digits"], int(match["size"])
        return None


def read_release(message: bytes, keyring: Keyring, *, archive: str, suite: str, where: str) -> Release:
    """Return what an ``InRelease`` says, once a key of ``keyring`` is seen to have signed it.

    Args:
        message: the file's bytes.
        keyring: the keys that count for this archive.
        archive: ``debian`` or ``debian-security``.
        suite: the pocket that was asked for.
        where: what messages call the file.

    Raises:
        ArchiveError: no such signature is good, or the file is that of another suite.
    """
    fields = parse_stanza(keyring.signed_bytes(message, where).decode("utf-8", errors="replace"))
    names = {fields.get("codename", ""), fields.get("suite", "")}
    if suite not in names:
        raise ArchiveError(
            f"{where}: is the index of {fields.get('codename') or 'no suite'!r}, not of {suite!r}",
            hint="`mirror:` leads to another archive than `suite:` says; correct one of them",
            reason=Reason.RELEASE_SUITE,
        )
    date = _date(fields.get("date"), where)
    if date is None:
        raise ArchiveError(f"{where}: has no Date", hint=_WRONG, reason=Reason.RELEASE_DATE)
    valid_until = _date(fields.get("valid-until"), where)
    return Release(archive=archive, suite=suite, date=date, valid_until=valid_until, fields=fields)


def check_time(release: Release, *, now: datetime, seen: datetime | None, where: str) -> None:
    """Refuse an index that is too old to be believed.

    Args:
        release: the index.
        now: the time of locking.
        seen: the date of the newest index that was seen here before, if one was.
        where: what messages call the index.

    Raises:
        ArchiveError: it has expired, lies in the future, or is older than one that was seen.

    Source: RepositoryFormat, "Date, Valid-Until".
    """
    if release.valid_until is not None and now > release.valid_until:
        raise ArchiveError(
            f"{where}: expired on {release.valid_until:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}",
            hint="the mirror is no longer updated, or this machine's clock is wrong; try another mirror",
            reason=Reason.RELEASE_EXPIRED,
        )
    if (release.date - now).total_seconds() > _SKEW_SECONDS:
        raise ArchiveError(
            f"{where}: is dated {release.date:%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}",
            hint="this machine's clock is wrong",
            reason=Reason.RELEASE_AHEAD,
        )
    if seen is not None and release.date < seen:
        raise ArchiveError(
            f"{where}: is dated {release.date:%Y-%m-%d %H:%M} UTC, older than {seen:%Y-%m-%d %H:%M} seen before",
            hint="the mirror lags behind or was rolled back; try another mirror, or again later",
            reason=Reason.RELEASE_OLDER,
        )


def _date(text: str | None, where: str) -> datetime | None:
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text.replace("UTC", "GMT")).astimezone(UTC)
    except ValueError as error:
        message = f"{where}: {text!r} is no date"
        raise ArchiveError(message, hint=_WRONG, reason=Reason.RELEASE_DATE) from error
