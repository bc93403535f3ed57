import passes


def test_new_pass_is_valid():
    assert passes.is_valid(passes.issue("anna"), "anna")


def test_changed_pass_is_refused():
    content, _, mark = passes.issue("anna").rpartition(".")
    assert not passes.is_valid(f"{content}.{mark[::-1]}", "anna")


def test_pass_of_yesterday_is_refused():
    assert not passes.is_valid("AAAAAQ==." + "0" * 16, "anna")
