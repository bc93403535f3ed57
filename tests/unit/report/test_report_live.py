import io
import time

from pipeline.report.events import Ended, Planned, Started, Step
from pipeline.report.live import Log, Pane, Silent, Tally, progress, two_lines
from pipeline.report.text import Ink
from pipeline.verify import events as verify


class Terminal(io.StringIO):
    def isatty(self):
        return True


def told():
    return [
        Planned(step=Step.LOCK, count=1),
        Planned(step=Step.RUN, count=26),
        Started(step=Step.LOCK, subject="uploads"),
        Ended(step=Step.LOCK, subject="uploads", result="unchanged", duration=300),
        Started(step=Step.RUN, subject="uploads on reference"),
        Ended(step=Step.RUN, subject="uploads on reference", result="209 passed", mark="◆", duration=1200),
        Started(step=Step.RUN, subject="uploads on one\x1b[2J-cpu"),
    ]


def test_log_writes_a_line_for_each_event_that_ended():
    stream = io.StringIO()
    with Log(stream, Ink(), clock=lambda: "09:12:04") as log:
        for event in told():
            log.tell(event)
        log.tell(object())
    assert stream.getvalue().splitlines() == [
        "09:12:04  lock      uploads                    unchanged                   0.3 s",
        "09:12:04  run       uploads on reference       ◆ 209 passed                1.2 s",
    ]


def test_log_tells_what_runs_where_nothing_ended_for_long():
    stream = io.StringIO()
    with Log(stream, Ink(), clock=lambda: "09:13:01", heartbeat=0.05) as log:
        log.tell(Started(step=Step.RUN, subject="uploads on kernel-6.1", note="QEMU emulates, 10x slower"))
        until = time.monotonic() + 5
        while not stream.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    assert stream.getvalue().startswith("09:13:01  running   uploads on kernel-6.1")
    assert "; QEMU emulates" in stream.getvalue()


def test_log_holds_no_escape_where_color_is_forced():
    stream = io.StringIO()
    with progress(stream, {"FORCE_COLOR": "1"}, silent=False) as log:
        assert isinstance(log, Log)
        for event in told():
            log.tell(event)
    assert "\x1b" not in stream.getvalue()


def test_pane_is_for_terminals_and_shows_nothing_at_first():
    stream = Terminal()
    with progress(stream, {}, silent=False) as pane:
        assert isinstance(pane, Pane)
        for event in told():
            pane.tell(event)
    assert stream.getvalue() == ""


def test_pane_draws_two_lines_and_erases_them():
    stream = Terminal()
    pane = Pane(stream, Ink())
    pane._began -= 10
    with pane:
        for event in told():
            pane.tell(event)
        until = time.monotonic() + 5
        while "now:" not in stream.getvalue() and time.monotonic() < until:
            time.sleep(0.01)
    written = stream.getvalue()
    assert "run 1 of 26" in written
    assert written.rstrip("\x1b[?25h\r").endswith("\x1b[2K")


def test_progress_is_silent_where_asked_or_dumb_terminal_gets_a_log():
    assert isinstance(progress(Terminal(), {}, silent=True), Silent)
    assert isinstance(progress(Terminal(), {"TERM": "dumb"}, silent=False), Log)


def test_two_lines_are_short_and_safe():
    tally = Tally()
    for event in told():
        tally.add(event, 0.0)
    for ink in (Ink(), Ink(symbols=False)):
        lines = two_lines(tally, ink).splitlines()
        assert len(lines) == 2
        assert all(len(line) <= 80 for line in lines)
        assert "\x1b" not in "".join(lines)
    assert two_lines(tally, Ink()).startswith("  lock ✓ 0.3 s   run 1 of 26\n  ━")


def test_log_shows_the_events_of_the_verify_stage(samples):
    reference, hardened, *_, gvisor = samples["failed"].environments[0].hosts
    stream = io.StringIO()
    with Log(stream, Ink(), clock=lambda: "09:12:09") as log:
        log.tell(verify.EnvironmentStarted(environment="uploads", hosts=("reference", "hardened", "gvisor")))
        log.tell(verify.RunStarted(environment="uploads", host="reference", index=0))
        log.tell(verify.HostJudged(environment="uploads", result=reference))
        log.tell(verify.RunStarted(environment="uploads", host="hardened", index=0))
        log.tell(verify.Explaining(environment="uploads", host="hardened", differences=1))
        log.tell(verify.RunStarted(environment="uploads", host="hardened", index=0))
        log.tell(verify.HostJudged(environment="uploads", result=hardened))
        log.tell(verify.HostJudged(environment="uploads", result=gvisor))
    assert [line[10:].rsplit(maxsplit=2)[0].rstrip() for line in stream.getvalue().splitlines()] == [
        "run       uploads on reference       ◆ 209 passed, 3 skipped",
        "run       uploads on hardened        ? 1 result differs",
        "explain   uploads on hardened        ✕ umask=0077, 18 runs",
        "run       uploads on gvisor          \N{EN DASH} not run",
    ]
    assert all(len(line) <= 80 for line in stream.getvalue().splitlines())
