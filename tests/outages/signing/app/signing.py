"""Tell whether the certificate that tests use has ended.

On 1 June 2022 all builds of OpenSSL failed at once, with nothing changed: certificates of its tests had ended.
"""

import time
from pathlib import Path

YEAR = 365 * 86400


def make(folder):
    """Make a certificate, and return where it is."""
    path = Path(folder) / "embedded.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    return path


def is_valid(path):
    """Return whether a certificate is younger than a year, by the time of its file."""
    return time.time() < path.stat().st_mtime + YEAR
