"""Stanzas: the ``Field: value`` paragraphs that all of Debian's control data is written in."""

from collections.abc import Mapping

_BLANKS = " \t\r\n"
"""What is no part of a value at its ends; any other blank is."""


def parse_stanza(text: str) -> Mapping[str, str]:
    """Return the fields of one stanza by lower-case name; the lines of a folded value are kept, without their indent.

    A line that is neither a field nor a continuation is ignored, as is anything before the first field.

    Source: deb822(5).
    """
    fields: dict[str, list[str]] = {}
    name = ""
    for line in text.split("\n"):
        if line[:1] in {" ", "\t"}:
            if name:
                fields[name].append(line[1:])
        elif not line.startswith("#"):
            head, colon, value = line.partition(":")
            name = head.lower() if colon else ""
            if name:
                fields[name] = [value.strip(_BLANKS)]
    return {name: "\n".join(lines) for name, lines in fields.items()}
