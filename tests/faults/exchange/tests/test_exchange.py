import exchange


def test_exchanged_file_is_described(tmp_path):
    path = exchange.put(tmp_path, "plan.txt", "north")
    assert exchange.describe(path).startswith("plan.txt, ")


def test_content_is_exchanged(tmp_path):
    assert exchange.put(tmp_path, "plan.txt", "north").read_text() == "north"
