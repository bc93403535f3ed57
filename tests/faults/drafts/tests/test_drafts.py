import subprocess
import sys

import drafts


def name():
    return subprocess.run([sys.executable, drafts.__file__], capture_output=True, text=True, check=True).stdout


def test_two_editors_have_two_drafts():
    assert name() != name()


def test_draft_is_named_after_its_editor():
    assert drafts.name("anna").startswith("draft-anna-")
