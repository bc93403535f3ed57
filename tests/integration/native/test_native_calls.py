"""What a run asked and could not have: denied system calls, names that nobody knows, destinations without a route."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.observer import MOST_KINDS, MOST_NOTICES
from runtime.backends.native.seccomp import read_numbers, read_profile
from runtime.backends.native.syscalls import MACHINE
from runtime.outcome import Attempt, Calls, Denied, Limit, Lookup, Network
from runtime.plan import Denial

NUMBERS = read_numbers()[MACHINE]
MOUNT, UNSHARE = NUMBERS["mount"], NUMBERS["unshare"]
SOCKETS = """
sub inet { pack("Sna4x8", 2, $_[1], pack("C4", split /\\./, $_[0])) }
sub inet6 { pack("SnNa16N", 10, $_[1], 0, pack("n8", @{$_[0]}), 0) }
sub name { join "", map { pack("C/a", $_) } split(/\\./, $_[0]), "" }
sub question { pack("n6", 7, 256, 1, 0, 0, 0) . name($_[0]) . pack("n2", 1, 1) }
socket(T, 2, 1, 0); socket(U, 2, 2, 0); socket(V, 10, 2, 0);
"""


@pytest.fixture
def perl(native, plan):
    """Run lines of perl and return the outcome and what they wrote."""

    def run_lines(lines, *, backend=native, evidence=True, deadline=20_000, **changes):
        started = plan("perl", "-e", f"$| = 1; {lines}", deadline=deadline, **changes)
        with backend.start(started, evidence=evidence) as running:
            outcome = running.wait()
        return outcome, outcome.stdout.content.decode()

    return run_lines


def times(count, number):
    return f"for (1..{count}) {{ $! = 0; syscall({number}, 0, 0, 0, 0, 0); }} print $! + 0;"


@pytest.mark.parametrize("host", [{}, {"pid1": "app"}, {"user": "root"}, {"no-new-privileges": "no"}], ids=str)
def test_denied_calls_are_told_by_name_errno_and_count(perl, host):
    outcome, written = perl(times(1, MOUNT) + times(3, UNSHARE) + times(2, 1000), host=host)
    assert written == "1138"  # EPERM, EPERM, ENOSYS
    assert outcome.calls == Calls(
        denied=(
            Denied(call="1000", errno="ENOSYS", count=2),
            Denied(call="mount", errno="EPERM", count=1),
            Denied(call="unshare", errno="EPERM", count=3),
        )
    )


def test_calls_of_the_way_in_and_of_its_probes_are_not_the_programs(run):
    for level in ("default", "clone3-eperm"):
        outcome = run("true", host={"seccomp": level})
        assert outcome.calls == Calls()
        assert outcome.evidence["seccomp"].holds


def test_clone3_is_told_only_where_a_plan_denies_it(perl):
    line = times(1, NUMBERS["clone3"])
    outcome, written = perl(line)
    assert (written, outcome.calls) == ("38", Calls())
    outcome, written = perl(line, host={"seccomp": "clone3-eperm"})
    assert (written, outcome.calls) == ("1", Calls(denied=(Denied(call="clone3", errno="EPERM"),)))


def test_denial_of_a_plan_answers_as_it_says(perl):
    outcome, written = perl(times(1, NUMBERS["getpriority"]), denials=(Denial(syscall="getpriority", errno=71),))
    assert (written, outcome.calls) == ("71", Calls(denied=(Denied(call="getpriority", errno="EPROTO"),)))


def test_every_refused_call_fails_alike_with_a_listener_and_without(perl):
    refused = [*(NUMBERS[name] for name in read_profile("default")["refuse"] if name in NUMBERS), 2**31 - 1, 600, -1]
    line = f"for ({','.join(map(str, refused))}) {{ $! = 0; print syscall($_, 0, 0, 0, 0, 0), ' ', $! + 0, ';'; }}"
    heard, here = perl(line)
    unheard, there = perl(line, evidence=False)
    assert here == there
    assert (unheard.calls, unheard.network) == (None, None)
    assert len(heard.calls.denied) > 50
    assert {each.count for each in heard.calls.denied} == {1}


def test_run_sees_no_descriptor_of_what_listens(perl):
    lines = "opendir(D, '/proc/self/fd'); print join(' ', sort grep { !/^\\./ } readdir D);"
    assert perl(lines)[1] == perl(lines, evidence=False)[1]


def test_run_without_a_filter_tells_of_no_calls(perl):
    outcome, _ = perl(times(1, MOUNT), host={"seccomp": "unconfined"})
    assert outcome.calls is None
    assert outcome.network == Network()


def test_flood_is_answered_to_its_end_and_counted_to_a_bound(perl):
    outcome, written = perl(times(5 * MOST_NOTICES, MOUNT), deadline=60_000)
    assert written == "1"
    denied = (Denied(call="mount", errno="EPERM", count=MOST_NOTICES),)
    assert outcome.calls == Calls(denied=denied, is_whole=False)


def test_calls_of_many_kinds_are_counted_to_a_bound(perl):
    outcome, _ = perl(f"for (1000..{1000 + 2 * MOST_KINDS}) {{ syscall($_); }}")
    assert len(outcome.calls.denied) == MOST_KINDS
    assert not outcome.calls.is_whole


def test_flood_does_not_outlast_its_deadline_nor_hold_up_others(perl, run):
    flood = f"for (1..3) {{ fork or last }} while (1) {{ syscall({MOUNT}, 0, 0, 0, 0, 0); }}"
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        flooding = pool.submit(perl, flood, deadline=3_000)
        time.sleep(0.5)
        others = [run("true").exit_code for _ in range(3)]
        lasted = time.monotonic() - began
        outcome, _ = flooding.result()
    assert others == [0, 0, 0]
    assert lasted < 3.0
    assert (outcome.limit, outcome.calls.is_whole) == (Limit.DEADLINE, False)
    assert 3_000 <= outcome.duration < 5_000


def test_threads_of_a_run_are_answered_each(perl):
    lines = f"for (1..8) {{ next if fork; for (1..20) {{ syscall({MOUNT}); }} exit; }} 1 while wait > 0;"
    outcome, _ = perl(lines)
    assert outcome.calls == Calls(denied=(Denied(call="mount", errno="EPERM", count=160),))


def test_caller_that_is_killed_while_it_waits_harms_nobody(perl, run):
    lines = f"""for (1..50) {{
        my $pid = fork;
        if (!$pid) {{ while (1) {{ syscall({MOUNT}); }} }}
        select undef, undef, undef, 0.002; kill 9, $pid; waitpid $pid, 0;
    }} print "over";"""
    outcome, written = perl(lines)
    assert written == "over"
    assert outcome.calls.denied[0].call == "mount"
    assert run("true").exit_code == 0


def test_names_that_a_run_asks_for_are_told(perl):
    lines = (
        SOCKETS
        + """
        for ("www.example.com", "www.example.com", "db") { send(U, question($_), 0, inet("127.0.0.1", 53)); }
        send(U, question("not.asked"), 0, inet("127.0.0.1", 5300));
        send(U, "\\xff" x 400, 0, inet("127.0.0.1", 53)); send(U, "", 0, inet("127.0.0.1", 53));"""
    )
    outcome, _ = perl(lines)
    assert outcome.network == Network(
        lookups=(Lookup(name="db", count=1), Lookup(name="www.example.com", count=2)), unroutable=0
    )


def test_flood_of_names_is_kept_to_a_bound(perl):
    line = SOCKETS + 'for (1..20000) { send(U, question("n$_.example"), 0, inet("127.0.0.1", 53)); }'
    outcome, _ = perl(line)
    assert 0 < len(outcome.network.lookups) <= 64


def test_name_server_that_a_run_has_is_asked_as_ever(perl):
    lines = (
        SOCKETS
        + """
        socket(S, 2, 2, 0); bind(S, inet("127.0.0.1", 53)) or print "no $!";
        send(U, question("a.b"), 0, inet("127.0.0.1", 53)); recv(S, my $asked, 512, 0); print length $asked;"""
    )
    outcome, written = perl(lines, host={"user": "root"})
    assert written == "21"
    assert outcome.network.lookups == (Lookup(name="a.b"),)


def test_destinations_without_a_route_are_counted(perl):
    lines = (
        SOCKETS
        + """
        connect(T, inet("192.0.2.1", 443)); print $! + 0, " ";
        send(U, "x", 0, inet("192.0.2.1", 53)); print $! + 0, " ";
        connect(U, inet("127.0.0.1", 9)); connect(T, inet("127.0.0.1", 9)); print $! + 0;"""
    )
    outcome, written = perl(lines)
    assert written == "101 101 111"  # ENETUNREACH twice, ECONNREFUSED
    assert outcome.network == Network(unroutable=2)
    assert outcome.calls == Calls()


@pytest.mark.parametrize("level", ["none", "loopback", "route"])
def test_run_that_reaches_for_nothing_is_said_to(run, level):
    assert run("true", host={"network": level}).network == Network()


def test_destinations_are_told_to_who_asks_for_them(rootfs, perl):
    lines = (
        SOCKETS
        + """
        connect(T, inet("192.0.2.1", 443)); send(U, "x", 0, inet("127.0.0.1", 53));
        send(U, "x", 0, inet("127.0.0.1", 9));
        connect(V, inet6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 80)) for 1..2;
        connect(V, inet6([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x0202], 81));
        $! = 0; connect(U, "\\0\\0"); syscall("""
        + f"{NUMBERS['connect']}"
        + """, 0, 1, 1 << 30); print $! + 0;"""
    )
    with NativeBackend(lambda _: (rootfs,), destinations=True) as backend:
        outcome, written = perl(lines, backend=backend)
    assert written == "22"  # EINVAL, as without a listener
    assert outcome.calls.attempts == (
        Attempt(address="127.0.0.1", port=53),
        Attempt(address="192.0.2.1", port=443),
        Attempt(address="192.0.2.2", port=81),
        Attempt(address="2001:db8::1", port=80, count=2),
    )
    assert perl(lines)[1] == written


def test_run_with_one_id_tells_the_same_and_not_what_stands_for_ids(rootfs, perl):
    if os.getuid() == 0:
        pytest.skip("needs a plain user: the runs of root have a range of ids")
    lines = times(1, MOUNT) + "chown 7, 7, '/app'; print $! + 0;"
    with NativeBackend(lambda _: (rootfs,), one_id=True) as backend:
        outcome, written = perl(lines, backend=backend)
    assert written == "11"
    assert outcome.calls == Calls(denied=(Denied(call="mount", errno="EPERM"),))


SUPERVISED = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from crafted import plan_of
from runtime.backends.native import processes
from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.seccomp import compile_notices

listener = processes.listen_to_calls(compile_notices(("lookup_dcookie",), {machine!r})[0])
with NativeBackend(lambda _: (Path({rootfs!r}),)) as backend:
    with backend.start(plan_of("perl", "-e", {lines!r})) as running:
        outcome = running.wait()
print(outcome.stdout.content.decode(), outcome.calls, outcome.network, outcome.evidence["seccomp"].holds)
"""


def test_run_below_a_supervisor_that_listens_is_filtered_and_tells_no_calls(rootfs):
    if os.getuid():
        pytest.skip("only root may be filtered and still have a range of ids by newuidmap")
    root = Path(__file__).parents[3]
    paths = [str(root), str(root / "tests/conformance")]
    source = SUPERVISED.format(paths=paths, machine=MACHINE, rootfs=str(rootfs), lines=times(1, MOUNT))
    found = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=60)
    assert found.stdout == "1 None Network(lookups=(), unroutable=0) True\n", found.stderr
