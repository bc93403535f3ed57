import forwarder


def test_comments_name_no_servers():
    assert forwarder.servers(["# nameserver 192.0.2.1\n", "nameserver 192.0.2.2\n"]) == ["192.0.2.2"]


def test_questions_go_to_a_server():
    assert forwarder.configuration(5).endswith(" valid=5s;")
