import wheels


def test_package_is_installed():
    assert wheels.install(bytes(3 << 20)) == 3 << 20


def test_small_package_is_installed():
    assert wheels.install(b"x" * 1000) == 1000
