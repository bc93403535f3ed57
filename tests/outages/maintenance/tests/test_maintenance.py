import maintenance


def test_configuration_outlives_a_failed_change():
    maintenance.switch(on=True)
    assert maintenance.is_installed()


def test_application_was_installed():
    assert maintenance.FILE.exists()
