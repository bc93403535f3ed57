"""Compare deep documents, by Python's own comparison of lists.

musl gives a thread 80 to 128 KiB of stack where glibc gives 8 MiB: programs that go deep, in regular expressions,
parsers or comparisons, ended with a segmentation fault on Alpine, and nowhere else. A smaller limit of the stack
makes the same of any image.
"""

import subprocess
import sys

CODE = """
import sys
sys.setrecursionlimit(50_000)
def deep():
    found = []
    for _ in range(DEPTH):
        found = [found]
    return found
print(deep() == deep())
"""
DEPTH = 20_000


def compare():
    """Compare two documents of the same shape in a process of its own; return its exit code and answer."""
    code = CODE.replace("DEPTH", str(DEPTH))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout
