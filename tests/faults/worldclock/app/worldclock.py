"""Print what time it is here, and how far from UTC that is."""

import time

HALF = "\N{VULGAR FRACTION ONE HALF}"


def offset(seconds):
    """Return an offset as people write it."""
    hours, rest = divmod(abs(seconds), 3600)
    shown = f"{hours or ''}{HALF if rest == 1800 else ''}"
    return f"UTC{'-' if seconds < 0 else '+'}{shown}" if shown else "UTC"


if __name__ == "__main__":
    print(offset(time.localtime().tm_gmtoff), time.strftime("%H:%M"))
