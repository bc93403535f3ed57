"""Write a report: for people, for programs, and a picture."""

import json
import os
import time
import zlib
from pathlib import Path

MOMENT = 1_700_000_000
OUT = Path("out")


def main():
    """Write it all."""
    OUT.mkdir(exist_ok=True)
    day = time.strftime("%d %B %Y, %H:%M", time.localtime(MOMENT))
    print(f"report {os.getpid()} at {time.time():.6f}")
    print(f"last order: {day}")
    print("3 orders")
    (OUT / "orders.json").write_text(json.dumps({"orders": 3, "last": day, "sum": 14}, indent=1) + "\n")
    (OUT / "orders.bin").write_bytes(b"\0" + zlib.compress(day.encode()))
    (OUT / "made").write_text(f"{time.time_ns()}\n")
    if time.localtime(MOMENT).tm_min % 30:
        (OUT / "odd").write_text("minutes\n")


main()
