import os

import hooks


def test_script_writes_what_it_says():
    assert hooks.run("echo hello") == "hello\n"


def test_hooks_leave_nothing_behind():
    assert not [name for name in os.listdir("/tmp") if name.endswith(".sh")]
