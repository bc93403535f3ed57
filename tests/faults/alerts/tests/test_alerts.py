import alerts


def test_first_alert_is_sent_at_once():
    sent = []
    alerts.Alerts(sent.append).report("cellar", 81)
    assert sent == ["cellar is too warm: 81"]


def test_second_alert_waits():
    sent = []
    sensor = alerts.Alerts(sent.append)
    sensor.report("cellar", 81)
    sensor.report("cellar", 82)
    assert len(sent) <= 1


def test_cool_sensor_is_no_reason():
    sent = []
    alerts.Alerts(sent.append).report("cellar", 18)
    assert sent == []
