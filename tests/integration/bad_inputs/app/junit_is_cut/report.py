from pathlib import Path

with Path("/tmp/report.xml").open("w") as stream:
    stream.write('<testsuites><testsuite name="a"><testcase classname="a" name="b"/>')
