# touched by: seccomp, processes
import subprocess
import sys


def test_harbor_answers_a_command():
    done = subprocess.run(["/bin/echo", "moored"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"moored\n"


def test_harbor_tells_of_a_failure():
    line = [sys.executable, "-c", "raise SystemExit(3)"]
    assert subprocess.run(line, stdin=subprocess.DEVNULL, check=False).returncode == 3
