import signing


def test_certificate_is_valid_today(tmp_path):
    assert signing.is_valid(signing.make(tmp_path))


def test_certificate_begins_as_one(tmp_path):
    assert signing.make(tmp_path).read_text().startswith("-----BEGIN")
