import subprocess
import sys

import sorter


def test_large_file_is_sorted():
    done = subprocess.run([sys.executable, sorter.__file__, "160"], capture_output=True, text=True, check=True)
    assert done.stdout == "sorted 160 blocks\n"


def test_blocks_are_sorted():
    assert sorter.merge([[3, 1], [2]]) == [1, 2, 3]
