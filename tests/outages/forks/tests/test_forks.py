import forks


def test_every_extension_is_started():
    assert forks.start() == forks.EXTENSIONS


def test_extensions_are_many():
    assert forks.EXTENSIONS > 20
