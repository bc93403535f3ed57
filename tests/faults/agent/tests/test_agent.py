import agent


def test_time_since_the_start_is_told():
    assert agent.read(agent.message(3))["ticks"] > 0


def test_message_has_a_fixed_length():
    assert len(agent.message(3)) == 6


def test_old_message_is_read():
    assert agent.read(bytes([0, 0, 0, 7, 0, 1])) == {"ticks": 7, "state": 1}
