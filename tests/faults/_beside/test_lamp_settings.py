import configparser

TEXT = """
[lamp]
color = warm
brightness = 70
"""


def test_lamp_has_a_color():
    settings = configparser.ConfigParser()
    settings.read_string(TEXT)
    assert settings["lamp"]["color"] == "warm"


def test_lamp_is_not_too_bright():
    settings = configparser.ConfigParser()
    settings.read_string(TEXT)
    assert settings.getint("lamp", "brightness") <= 100
