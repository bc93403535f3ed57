import banner


def test_banner_names_the_first_process():
    assert "started by " in banner.text("2.1")


def test_banner_is_one_line():
    assert "\n" not in banner.line("2.1", "systemd")


def test_banner_names_the_version():
    assert banner.line("2.1", "init").startswith("service 2.1")
