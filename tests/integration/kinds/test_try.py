import os, time, re, json
import pytest
@pytest.mark.parametrize("name", os.environ["NAMES"].split())
def test_try(verified, name):
    t=time.time(); v = verified(name)
    print(f"######## {name} exit {v.exit_code} {time.time()-t:.1f}s\n{v.terminal}\n-----\n{v.markdown}\n-----\n")
    print(re.sub(r"<properties>.*?</properties>", "", v.junit, flags=re.S))
    print([h["notes"] for h in v.found["hosts"]])
    for h in v.found["hosts"]:
        for d in h["differences"]:
            c=d["cause"] or {}
            print(h["name"], d["kind"], d["id"], d["reference"], d["here"], d["cut"], repr(d["message"]), c.get("factors"), c.get("state"), c.get("with"), c.get("without"), c.get("removed"), c.get("cleared"), c.get("reason"), d["reproduce"])
