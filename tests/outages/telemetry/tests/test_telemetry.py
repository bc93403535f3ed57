import telemetry


def test_telemetry_starts():
    name, address = telemetry.origin()
    assert name and address.count(".") == 3


def test_telemetry_is_documented():
    assert telemetry.origin.__doc__
