import frontend


def test_front_end_listens():
    with frontend.listen() as server:
        assert server.getsockname()[1] == 80


def test_port_is_that_of_browsers():
    assert frontend.PORT == 80
