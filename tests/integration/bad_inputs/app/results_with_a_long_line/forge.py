from pathlib import Path

with Path("/.seatrial/out/pytest.jsonl").open("w") as stream:
    stream.write('{"event":"start","format":1,"pid":1}\n')
    stream.write('{"event":"collected","ids":["' + "x" * 40_000_000 + '"]}\n')
    stream.write('{"event":"test","id":"test_a.py::test_a","phase":"call","outcome":"passed"}\n')
    stream.write('{"event":"finish","exit":0,"pid":1}\n')
