import ssl

import certificates


def test_certificate_is_valid():
    assert certificates.is_valid()


def test_end_is_read():
    assert ssl.cert_time_to_seconds(certificates.NOT_AFTER) == 2140352596
