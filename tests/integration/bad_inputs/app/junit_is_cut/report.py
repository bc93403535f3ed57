with open("/tmp/report.xml", "w") as stream:
    stream.write('<testsuites><testsuite name="a"><testcase classname="a" name="b"/>')
