import detector


def test_report_names_the_file():
    put, reported = detector.report()
    assert reported == put


def test_configuration_has_its_name():
    assert detector.report()[0].endswith("config.json")
