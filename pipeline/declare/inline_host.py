"""``InlineHost``: a host configuration, in a spec or in a file of its own."""

from collections.abc import Mapping

from pydantic import Field

from pipeline.declare.values import AnyText, Level, Name, Part, Text


class InlineHost(Part):
    """A host configuration written in the spec itself."""

    name: Name
    """How people call it."""
    about: AnyText = ""
    """One sentence."""
    source: AnyText = ""
    """The platform's own documentation, a URL."""
    factors: Mapping[Text, Level] = Field(default_factory=dict)
    """Factor → level, exactly as written; only what differs from the reference."""
