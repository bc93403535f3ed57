from pathlib import Path

with Path("/tmp/report.xml").open("wb") as stream:
    stream.write('<?xml version="1.0" encoding="UTF-16"?><testsuite/>'.encode("utf-16"))
