import rooms


def test_two_rooms_are_open_at_once():
    with rooms.Room(), rooms.Room():
        pass


def test_room_has_a_port_of_ours():
    with rooms.Room() as room:
        assert room.port in rooms.PORTS
