"""Tell whether a certificate is still good, by Python's own ssl.

Certificates of CPython's tests ended on 28 October 2037, and so did six test modules for everybody who looked further
ahead.
"""

import ssl
import time

NOT_AFTER = "Oct 28 14:23:16 2037 GMT"


def is_valid():
    """Return whether the certificate of the tests has not ended."""
    return time.time() < ssl.cert_time_to_seconds(NOT_AFTER)
