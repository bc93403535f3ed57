import daemon


def test_daemon_lives_on():
    assert not daemon.has_ended(daemon.start(30), within=0.2)


def test_daemon_that_ends_is_gone():
    pid = daemon.start(0.2)
    assert daemon.has_ended(pid)
