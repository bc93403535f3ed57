from pathlib import Path

with Path("/.seatrial/out/pytest.jsonl").open("w") as stream:
    stream.write('{"event":"start","format":1,"pid":1}\n')
    stream.write('{"event":"collected","ids":["test_a.py::test_a"]}\n')
    stream.write('{"event":"test","n":-1,"phase":"call","outcome":"passed"}\n')
    stream.write('{"event":"test","n":0,"phase":"call","outcome":"passed"}\n')
    stream.write('{"event":"finish","exit":0,"pid":1}\n')
