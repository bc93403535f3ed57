import admin


def test_action_is_signed():
    who, what = admin.sign("set-priority 30").split(": ")
    assert who and what == "set-priority 30"


def test_signing_is_documented():
    assert "name" in admin.sign.__doc__
