import context


def test_server_of_another_user_can_read_the_page(tmp_path):
    context.collect(tmp_path, {"static/index.html": "<h1>Monkey</h1>"})
    assert context.is_readable_by_others(tmp_path / "static" / "index.html")


def test_page_is_collected(tmp_path):
    context.collect(tmp_path, {"index.html": "<h1>Monkey</h1>"})
    assert (tmp_path / "index.html").read_text() == "<h1>Monkey</h1>"
