"""Services beside a run: one loopback network, readiness, logs, limits, and an end that leaves nothing."""

import os
import signal
import time

import pytest
from left_behind import MARKER, groups, mounts, sleepers, wait_until_gone

from runtime.backend import Unsupported
from runtime.backends.native.backend import NativeBackend
from runtime.backends.oci.backend import RUNTIMES, OciBackend
from runtime.errors import BackendError
from runtime.plan import MIB, Limits, Ready, Service, User

PORT = 7000
READY = Ready(port=PORT, within=15_000)
# No module is loaded: 2 is AF_INET, 1 is SOCK_STREAM, and the address is a struct sockaddr_in.
ANSWER = f"""
$| = 1; $SIG{{TERM}} = sub {{ print "asked to end\\n"; exit 0 }};
my $address = pack "S n a4 x8", 2, {PORT}, "\\x7f\\0\\0\\1";
socket(S, 2, 1, 0) && bind(S, $address) && listen(S, 8) or die "cannot listen: $!";
while (accept(C, S)) {{ syswrite C, "from the service"; close C }}
"""
ASK = f"exec 3<>/dev/tcp/127.0.0.1/{PORT}; cat <&3"


@pytest.fixture
def service(plan):
    image = plan("true").image

    def make(*argv: str, name: str = "db", ready: Ready | None = None, **changes: object) -> Service:
        user = User(uid=1000, gid=1000, home="/home/app")
        return Service(name=name, image=image, argv=argv, user=user, ready=ready, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def answering(service):
    return service("perl", "-e", f"select undef, undef, undef, 0.3; {ANSWER}", ready=READY)


def test_suite_begins_when_its_service_answers_on_the_shared_loopback(sh, answering):
    assert sh(ASK, services=(answering,)) == "from the service"


def test_service_is_known_by_its_name_on_both_sides(sh, service, answering):
    peer = service("sh", "-c", "cat /etc/hosts; exec sleep 60", name="cache")
    assert "127.0.0.1\tdb\n127.0.0.1\tcache\n" in sh("cat /etc/hosts", services=(answering, peer))


def test_service_shares_network_and_user_namespace_and_no_other(native, plan, service):
    links = "cd /proc/self/ns; for each in cgroup ipc mnt net pid user uts; do echo $each $(readlink $each); done"
    died = service("sh", "-c", f"sleep 0.5; {links}; exit 3")
    said: list[bytes] = []
    with (
        pytest.raises(BackendError) as caught,
        native.start(
            plan("sh", "-c", f"{links}; sleep 15", services=(died,)), listeners=(said.append, None)
        ) as running,
    ):
        running.wait()
    suite = dict(line.split() for line in b"".join(said).decode().splitlines())
    lines = caught.value.message.partition("; it wrote last: ")[2].split(" | ")
    beside = dict(line.split() for line in lines)
    assert {name for name in suite if suite[name] == beside[name]} == {"net", "user"}
    assert len(suite) == 7


def test_suite_sees_no_process_of_a_service(sh, answering):
    assert "perl" not in sh("for each in /proc/[0-9]*; do cat $each/comm; done", services=(answering,))


def test_hosts_try_the_suite_and_not_its_services(native, plan, service):
    told = "umask; id -u; env"
    died = service("sh", "-c", f"{told}; exit 3", environment={"PATH": "/bin", "OWN": "1"})
    host = {"umask": "0077", "user": "root", "environment": "ci"}
    with pytest.raises(BackendError, match="exit code 3") as caught:
        native.start(plan("sleep", "20", host=host, services=(died,))).wait()
    said = caught.value.message.split()
    assert {"0022", "1000", "OWN=1"} <= set(said)
    assert "CI=true" not in said


def test_service_that_never_listens_is_told_with_its_last_lines(native, plan, service):
    lines = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; exec sleep 60"
    mute = service("sh", "-c", lines, ready=Ready(port=PORT, within=400))
    begin = time.monotonic()
    with pytest.raises(BackendError) as caught:
        native.start(plan("true", services=(mute,)))
    assert time.monotonic() - begin < 5
    told, _, lines = caught.value.message.partition("; it wrote last: ")
    assert told == "service 'db' was not ready within 0.4 s: it accepts no connection on 127.0.0.1:7000"
    assert lines.split(" | ") == [f"line {number}" for number in range(3, 13)]


def test_service_that_cannot_be_started_is_told(native, plan, service):
    with pytest.raises(BackendError, match=r"'db' ended with exit code 127.*cannot start no-such-program"):
        native.start(plan("true", services=(service("no-such-program", ready=READY),)))


@pytest.mark.parametrize(
    ("line", "told"), [("kill -SEGV $$", "with signal SIGSEGV"), ("exit 4", "with exit code 4")], ids=["signal", "exit"]
)
def test_service_that_dies_during_the_run_loses_it_at_once(native, plan, service, line, told):
    short = service("sh", "-c", f"sleep 0.3; {line}")
    begin = time.monotonic()
    with pytest.raises(BackendError, match=told), native.start(plan("sleep", "15", services=(short,))) as running:
        running.wait()
    assert time.monotonic() - begin < 5


def test_service_that_wants_too_much_memory_is_told(native, plan, service):
    checked = native.check(plan("true", host={"memory": "64M"}))
    if isinstance(checked, Unsupported):
        pytest.skip(f"{checked.reason}; {checked.hint}")
    greedy = service("perl", "-e", "my $all = 'x' x (256 << 20); sleep 60", limits=Limits(memory=64 * MIB))
    with pytest.raises(BackendError, match="wanted more memory than its limit allows"):
        native.start(plan("sleep", "15", services=(greedy,))).wait()


def test_service_is_asked_to_end_and_killed_after_its_grace(native, plan, answering):
    begin = time.monotonic()
    with native.start(plan("true", services=(answering,))) as running:
        assert running.wait().exit_code == 0
    assert time.monotonic() - begin < 4


def test_services_leave_nothing_behind(rootfs, plan, service, answering):
    before, descriptors = mounts(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    sleeper = service("sh", "-c", f"sleep {MARKER} & exec sleep {MARKER}", name="cache")
    with NativeBackend(lambda _: (rootfs,)) as backend:
        warm = backend._process().pid
        opened = len(os.listdir(f"/proc/{warm}/fd"))  # noqa: PTH208
        for _ in range(3):
            with backend.start(plan("true", services=(answering, sleeper))) as running:
                assert running.wait().exit_code == 0
        assert sleepers() == []
        time.sleep(0.05)
        assert len(os.listdir(f"/proc/{warm}/fd")) <= opened  # noqa: PTH208 - at first one of the run before may be open
        assert [each for each in groups() if f"seatrial-{warm}-" in each] == []
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
    assert mounts() == before


def test_closed_run_ends_its_services_at_once(native, plan, service):
    stubborn = service("sh", "-c", f"trap '' TERM; sleep {MARKER}; sleep {MARKER}")
    running = native.start(plan("sleep", "60", services=(stubborn,)))
    begin = time.monotonic()
    running.close()
    assert time.monotonic() - begin < 3
    assert sleepers() == []


def test_warm_process_killed_ends_services_and_the_next_start_sweeps(rootfs, plan, service):
    sleeper = service("sh", "-c", f"sleep {MARKER} & exec sleep {MARKER}")
    with NativeBackend(lambda _: (rootfs,)) as backend:
        running = backend.start(plan("sleep", MARKER, services=(sleeper,)))
        warm = backend._process().pid
        assert sleepers()
        os.kill(warm, signal.SIGKILL)
        with pytest.raises(BackendError, match="lost"):
            running.wait()
        wait_until_gone()
        assert sleepers() == []
        backend.start(plan("true")).wait()
    assert [each for each in groups() if f"seatrial-{warm}-" in each] == []


def test_flood_of_a_service_is_kept_short_and_harms_nobody(sh, service, answering):
    loud = service("perl", "-e", "while (1) { print 'x' x 65536 }", name="loud")
    assert sh(ASK, services=(answering, loud)) == "from the service"


def test_host_without_loopback_is_refused(native, plan, answering):
    refused = native.refusal(plan("true", host={"network": "none"}, services=(answering,)))
    assert refused
    assert "no loopback interface" in refused.reason


def test_other_runtimes_refuse_services(plan, answering):
    checked = OciBackend(RUNTIMES["crun"], lambda _: ()).check(plan("true", services=(answering,)))
    assert isinstance(checked, Unsupported)
    assert "services (db) run on native only" in checked.reason


def test_how_each_service_ended_is_told_with_its_time(run, service, answering):
    plain = service("sleep", "60", name="cache")
    slow = service("sh", "-c", "trap 'sleep 0.5; exit 9' TERM; while :; do sleep 0.05; done", name="slow")
    outcome = run("sleep", "0.3", services=(answering, plain, slow))
    assert [(each.name, str(each)) for each in outcome.shutdown] == [
        ("cache", "signal 15"),
        ("db", "exit 0"),
        ("slow", "exit 9"),
    ]
    assert all(each.is_service for each in outcome.shutdown)
    assert 500 <= outcome.shutdown[2].duration < 4000


def test_service_that_does_not_heed_sigterm_is_told_to_have_been_killed(run, service):
    (ending,) = run("sleep", "0.3", services=(service("sh", "-c", "trap '' TERM; while :; do :; done"),)).shutdown
    assert (str(ending), ending.is_killed) == ("killed", True)
    assert ending.duration >= 5000
