import follow


def test_line_is_seen(tmp_path):
    log = tmp_path / "log"
    log.write_text("started\n")

    def write():
        with log.open("a") as file:
            file.write("ready\n")

    assert follow.next_line(log, write) == "ready\n"


def test_following_is_documented():
    assert follow.watch.__doc__
