import indexer


def test_all_documents_are_indexed():
    assert indexer.index(["a b", "b c"]) == {"a": {0}, "b": {0, 1}, "c": {1}}


def test_words_are_counted_once():
    assert indexer.words("to be or not to be") == {"to", "be", "or", "not"}
