"""Write down who did what.

Koschei's admin.py crashed in OpenShift: "KeyError: 'getpwuid(): uid not found: 1000550000'". The user there has a
number, and no name.
"""

import os
import pwd


def sign(action):
    """Return the action with the name of whoever does it."""
    return f"{pwd.getpwuid(os.getuid()).pw_name}: {action}"
