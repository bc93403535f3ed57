from pathlib import Path

with Path("/.seatrial/out/pytest.jsonl").open("wb") as stream:
    stream.write(b'{"event":"start","format":1,"pid":1}\n')
    stream.write(b"[" * 100_000 + b"\n\xff\xfe\n")
    stream.write(b'{"event":"test","id":"test_a.py::test_a","phase":"call","outcome":"passed"}\n')
    stream.write(b'{"event":"finish","exit":0,"pid":1}\n')
