"""``Packument``: what the registry says of all versions of one package.

Source: npm's registry API, "Package metadata", the abbreviated form.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pipeline.build.ecosystems.npm.semver import Range, Version
from pipeline.build.fetch import Fetcher
from pipeline.declare.errors import FetchError
from pipeline.registry.access import shown

MAX_PACKUMENT = 128 << 20
"""Bytes of what the registry says of one package; the largest of the public one are about 60 MB."""

ACCEPT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packument:
    """What the registry says of one package.

    Args:
        name: its name.
        versions: version → its entry; what is no version is not among them.
        tags: name of a tag → version.
    """

    name: str
    versions: Mapping[str, Mapping[str, Any]]
    tags: Mapping[str, str]

    @classmethod
    def read(cls, name: str, fetcher: Fetcher) -> "Packument":
        """Return what this machine's registry says of a package.

        Raises:
            MissingError: there is no such package.
            FetchError: the registry cannot be read or understood.
        """
        url = f"{fetcher.sources.npm_registry_of(name)}/{quote(name, safe='@')}"
        content = fetcher.read(url, MAX_PACKUMENT, accept=ACCEPT)
        try:
            return cls.of(name, json.loads(content))
        except (ValueError, RecursionError) as error:
            raise FetchError(f"what {shown(url)} says cannot be understood: {error}") from None

    @classmethod
    def of(cls, name: str, data: object) -> "Packument":
        """Return the package that a registry's JSON describes.

        Raises:
            ValueError: it has another form.
        """
        versions = data.get("versions") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(versions, dict):
            raise ValueError("it has no table 'versions'")  # noqa: TRY004 - all that is wrong with it is a ValueError
        tags = data.get("dist-tags")
        known = {text: about for text, about in versions.items() if _is_version(text) and isinstance(about, dict)}
        return cls(name=name, versions=known, tags=tags if isinstance(tags, dict) else {})

    def choose(self, wanted: str, preferred: Collection[str] = ()) -> str | None:
        """Return the version for a range; None if no version is in it.

        It is a preferred one if any is in the range, else the one tagged ``latest`` if that is, else the highest that
        is not deprecated, else the highest, as npm chooses.

        Args:
            wanted: a range, or a tag.
            preferred: versions of an older lock.
        """
        if wanted in self.tags:
            return self.tags[wanted] if self.tags[wanted] in self.versions else None
        try:
            within = Range.parse(wanted)
        except ValueError:
            return None
        found = [each for each in self.versions if within.has(Version.parse(each))]
        latest = self.tags.get("latest")
        return max(
            found,
            key=lambda each: (
                each in preferred,
                each == latest,
                not self.versions[each].get("deprecated"),
                Version.parse(each),
                each,
            ),
            default=None,
        )


def _is_version(text: str) -> bool:
    try:
        Version.parse(text)
    except ValueError:
        return False
    return True
