import pool


def test_words_of_all_texts_are_counted():
    assert pool.count(["a b c", "d e"]) == 5


def test_module_says_what_it_does():
    assert pool.__doc__
