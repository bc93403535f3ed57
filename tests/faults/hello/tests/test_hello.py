import hello


def test_visitor_is_greeted(tmp_path):
    with hello.listen(tmp_path / "socket") as server:
        assert hello.greet(server, "anna") == "hello, anna"


def test_two_services_are_not_in_each_others_way(tmp_path):
    with hello.listen(tmp_path / "one") as one, hello.listen(tmp_path / "two") as two:
        assert one.getsockname() != two.getsockname()
