from pathlib import Path

Path("/.seatrial/out/pytest.jsonl").symlink_to("/etc/passwd")
