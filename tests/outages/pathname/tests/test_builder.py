import builder


def test_folder_is_made_beside_the_script():
    assert builder.enter() == "entered\n"


def test_script_ends_at_the_first_error():
    assert "set -e" in builder.SCRIPT
