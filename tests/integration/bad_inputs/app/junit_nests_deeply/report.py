with open("/tmp/report.xml", "w") as stream:
    stream.write("<testsuites>" + "<testsuite>" * 100_000 + "</testsuite>" * 100_000 + "</testsuites>")
