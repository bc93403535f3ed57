from pathlib import Path

with Path("/tmp/report.xml").open("w") as stream:
    stream.write("<testsuites>" + "<testsuite>" * 100_000 + "</testsuite>" * 100_000 + "</testsuites>")
