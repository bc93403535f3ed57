import packages


def test_server_loads_its_packages(tmp_path):
    listed = tmp_path / "package.json"
    listed.write_text('{"dependencies": {"theme-dark": "1", "giphy": "2"}}')
    assert packages.load(str(listed)) == ["giphy", "theme-dark"]


def test_packages_are_documented():
    assert "watch" in packages.load.__doc__
