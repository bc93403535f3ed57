import labels


def test_label_is_printed_once():
    assert labels.line(["fragile", "fragile"]) == "fragile"


def test_labels_are_printed_as_before():
    assert labels.line(["fragile", "cold", "heavy", "glass"]) == "cold, glass, heavy, fragile"
