import toolbox


def test_tool_for_this_machine_is_named():
    assert toolbox.here("saw").endswith(".tar.gz")


def test_tool_for_an_old_machine_is_named():
    assert toolbox.address("saw", "i686") == "https://tools.example/saw/saw-linux-386.tar.gz"
