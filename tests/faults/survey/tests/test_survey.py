import os
import subprocess
import sys

SCRIPT = "import survey; print(survey.answer('blue'))"


def test_default_is_taken_where_nobody_answers():
    os.chdir("/srv/app")
    done = subprocess.run([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout == "blue\n"


def test_answer_is_taken():
    os.chdir("/srv/app")
    done = subprocess.run([sys.executable, "-c", SCRIPT], input="red\n", stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout == "red\n"
