import menu


def test_plain_dish_is_read(tmp_path):
    (tmp_path / "menu").write_bytes(b"soup\n\nbread\n")
    assert menu.dishes(tmp_path / "menu") == ["soup", "bread"]


def test_dish_with_accents_is_read(tmp_path):
    (tmp_path / "menu").write_bytes("crème brûlée\n".encode())
    assert menu.dishes(tmp_path / "menu") == ["crème brûlée"]
