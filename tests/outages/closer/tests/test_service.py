import service


def test_service_is_started_in_the_background(tmp_path):
    assert service.start(["/usr/bin/touch", str(tmp_path / "mark")], tmp_path / "mark", 2)


def test_service_is_described():
    assert "in time" in service.start.__doc__
