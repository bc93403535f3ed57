import os
import subprocess
import sys

import census


def test_this_process_is_counted():
    assert os.getpid() in census.processes()


def test_child_is_found_below_its_parent():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert census.parent(child.pid) == os.getpid()
    finally:
        child.communicate(b"\n", timeout=20)


def test_process_that_has_ended_has_no_parent():
    with subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL) as child:
        child.wait(timeout=20)
    assert census.parent(child.pid) is None


def test_name_may_have_brackets():
    assert census.fields("7 (a) b) S 3 7 7 0") == ["S", "3", "7", "7", "0"]
