from pipeline.cli.run import _traces
from runtime.digest import Digest
from runtime.outcome import Attempt, Calls, Denied, Ending, Lookup, Network, Outcome, Stream

NOTHING = Stream(content=b"", size=0, digest=Digest.of(b""))


def outcome(**more):
    return Outcome(exit_code=0, stdout=NOTHING, stderr=NOTHING, **more)


def test_trace_tells_each_fact_once_over_all_runs():
    calls = Calls(
        denied=(Denied(call="mount", errno="EPERM"),), attempts=(Attempt(address="2001:db8::1", port=80, count=2),)
    )
    network = Network(lookups=(Lookup(name="db.example.com", count=2),), unroutable=1)
    one = outcome(calls=calls, network=network)
    assert list(_traces([one, one])) == [
        "denied: mount (EPERM), once",
        "destination: [2001:db8::1]:80, 2 times",
        "name asked for: db.example.com, 2 times",
        "no route to a destination, once",
    ]


def test_trace_of_a_flood_is_a_lower_bound():
    flood = outcome(
        calls=Calls(denied=(Denied(call="bpf", errno="EPERM", count=9),), is_whole=False), network=Network()
    )
    assert list(_traces([flood])) == ["denied: bpf (EPERM), at least 9 times"]


def test_trace_tells_nothing_from_what_is_not_known():
    quiet = outcome(calls=Calls(), network=Network())
    assert list(_traces([quiet])) == ["no system call was denied, and nothing beyond the run was asked for"]
    assert [line.endswith("not known on this host") for line in _traces([outcome()])] == [True, True]


def test_trace_tells_what_outlived_the_suite_and_how_it_ended():
    endings = (
        Ending(name="db", is_service=True, exit_code=0, duration=1240),
        Ending(name="sh", signal=9, is_killed=True),
    )
    found = outcome(calls=Calls(), network=Network(), shutdown=endings)
    assert list(_traces([found])) == ["service: db, exit 0, 1.2 s after SIGTERM", "left behind: sh, killed"]
