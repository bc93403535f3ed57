import spool


def test_spooled_text_is_whole():
    assert spool.write("whole", "text").read_text() == "text"


def test_others_may_read_the_spool():
    assert spool.mode_of(spool.write("shared", "text")) == "0o644"
