"""Write a report in one of several ways, which modules add to."""

_KNOWN = {}


def register(name, write):
    """Add a way."""
    _KNOWN[name] = write


def names():
    """Return the ways that there are."""
    return sorted(_KNOWN)


def export(name, report):
    """Return the report as that way has it."""
    return _KNOWN[name](report)
