"""Print a greeting in the language of the user.

An image without LANG has the locale C, whose character set is ASCII. Python ended with "UnicodeEncodeError: 'ascii'
codec can't encode characters", and took the program with it.
"""

import subprocess
import sys


def printed(text):
    """Return what another Python prints for a text, as bytes."""
    code = f"print({text!a})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
