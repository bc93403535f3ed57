import subprocess
import sys


def test_saver_starts():
    saver = subprocess.Popen([sys.executable, "/srv/app/saver.py"], stdout=subprocess.PIPE)
    assert saver.stdout.readline() == b"ready\n"
