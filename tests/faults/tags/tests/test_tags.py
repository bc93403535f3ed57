import tags


def test_tag_is_read_as_it_was_written():
    tag = tags.new()
    assert tags.read(tags.written({"tag": tag})) == {"tag": tag}


def test_numbers_are_numbers():
    assert tags.read("count: 12") == {"count": 12}


def test_words_are_words():
    assert tags.read(tags.written({"place": "Oslo"})) == {"place": "Oslo"}
