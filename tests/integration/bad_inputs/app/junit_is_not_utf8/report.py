with open("/tmp/report.xml", "wb") as stream:
    stream.write('<?xml version="1.0" encoding="UTF-16"?><testsuite/>'.encode("utf-16"))
