"""Read the sizes in levels: ``64M``, ``2G``, ``512``."""

import re

_FORM = re.compile(r"([1-9][0-9]{0,12})([KMG]?)i?B?")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_size(text: str) -> int | None:
    """Return the bytes of a size in powers of 1024 (``1M`` is 1048576), or None if ``text`` is no size."""
    match = _FORM.fullmatch(text)
    return int(match[1]) * _UNITS[match[2]] if match else None
