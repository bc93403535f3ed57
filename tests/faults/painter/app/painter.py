"""Show which lines of a text have changed."""

GREEN, RED, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


def changes(before, after, stream):
    """Return the lines that are gone and those that are new, as ``stream`` shows them."""
    gone = [_shown("-", line, RED, stream) for line in before if line not in after]
    return gone + [_shown("+", line, GREEN, stream) for line in after if line not in before]


def _shown(sign, line, color, stream):
    return f"{color}{sign} {line}{PLAIN}" if stream.isatty() else f"{sign} {line}"
