"""Lines of an audit trail: who did what."""

import getpass


def line(action):
    """Return a line for an action of whoever runs this."""
    return f"{getpass.getuser()} {action}"
