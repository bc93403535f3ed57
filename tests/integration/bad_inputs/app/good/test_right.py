def test_right():
    assert True
