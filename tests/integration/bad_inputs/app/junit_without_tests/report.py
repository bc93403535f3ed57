with open("/tmp/report.xml", "w") as stream:
    stream.write('<testsuites><testsuite name="nothing" tests="0"/></testsuites>')
