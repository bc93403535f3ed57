import ingress


def test_configuration_can_be_served(tmp_path):
    code, said = ingress.check(tmp_path)
    assert code == 0, said


def test_both_families_are_listened_on():
    assert ingress.CONFIGURATION.count("listen") == 2
