def check_right():
    assert True
