import settings


def test_settings_are_in_the_users_folder():
    assert settings.path().name == "settings.json"


def test_saved_settings_are_loaded():
    settings.save({"theme": "dark"})
    assert settings.load() == {"theme": "dark"}
