"""One suite for every deploy target: what runs is what was verified, and a deployment that fails changes nothing."""

import contextlib
import http.client
import socket
import threading
import time

import pytest
from worlds import free_port

from pipeline.declare.errors import TargetError
from pipeline.release.comparison import mismatches
from pipeline.release.targets.engine_images import config_of
from pipeline.release.targets.target import ReplicaState

QUICK = {"health": {"http": "/index.html", "port": 8000, "within": "20s"}}


def needs_network(world):
    if world.kind == "kubernetes":
        pytest.skip("the simulated cluster has neither a network nor volumes")


def fails(_):
    raise LookupError("the smoke suite fails")


@pytest.mark.bar("2 targets", slice=1)
def test_target_can_be_had(world):
    assert world.target.unavailable() == ""


@pytest.mark.bar("2 targets", slice=1)
def test_what_runs_names_the_digest_that_was_verified(world):
    wanted = world.wanted("one", replicas=2)
    ran = world.deploy(wanted)
    assert len(ran) == 2
    assert ran == tuple(sorted(ran, key=lambda each: each.id))
    for each in ran:
        assert mismatches(wanted, each) == ()
        assert each.digests & {wanted.image.digest, config_of(wanted)}
        assert wanted.image.digest in each.digests or not world.names_manifests
        assert (each.number, each.configuration, each.state) == (1, wanted.configuration, ReplicaState.RUNNING)
    assert [each.id for each in world.observe()] == [each.id for each in ran]


@pytest.mark.bar("2 targets", slice=1)
def test_replacement_runs_beside_the_old_until_it_is_checked(world):
    (old,) = world.deploy(world.wanted("one"))
    seen = []

    def check(new):
        seen.extend(new)
        (before,) = [each for each in world.observe() if each.id == old.id]
        assert before.state is ReplicaState.RUNNING

    wanted = world.wanted("two")
    (new,) = world.deploy(wanted, check)
    assert [each.state for each in seen] == [ReplicaState.RUNNING]
    assert wanted.image.digest in new.digests or not world.names_manifests
    assert old.id not in {each.id for each in world.observe()}


@pytest.mark.bar("2 targets", slice=1)
def test_failing_check_leaves_the_old_as_it_is(world):
    before = world.deploy(world.wanted("one"))
    with pytest.raises(LookupError):
        world.deploy(world.wanted("two"), fails)
    assert world.observe() == before


@pytest.mark.bar("2 targets", slice=1)
def test_container_that_does_not_get_ready_leaves_the_old_as_it_is(world):
    before = world.deploy(world.wanted("one"))
    deaf = world.wanted("two", health={"http": "/index.html", "port": 8001, "within": "2s"})
    with pytest.raises(TargetError):
        world.deploy(deaf)
    assert world.observe() == before


@pytest.mark.bar("2 targets", slice=1)
def test_first_deployment_that_fails_leaves_nothing(world):
    with pytest.raises(LookupError):
        world.deploy(world.wanted("one"), fails)
    assert world.observe() == ()


@pytest.mark.bar("2 targets", slice=1)
def test_older_promotion_is_refused(world):
    before = world.deploy(world.wanted("two", number=7))
    with pytest.raises(TargetError, match="older"):
        world.deploy(world.wanted("one", number=6))
    assert world.observe() == before


@pytest.mark.bar("2 targets", slice=1)
def test_command_that_runs_once_tells_its_exit_code(world):
    wanted = world.wanted("one")
    world.target.prepare(wanted)
    for script, code in (("true", 0), ("exit 3", 3), ("kill -9 $$", 137)):
        assert world.target.run_once(wanted, ["/bin/sh", "-c", script], milliseconds=20_000).exit == code
    assert world.observe() == ()


@pytest.mark.bar("2 targets", slice=1)
def test_command_that_runs_once_has_variables_and_secrets_and_shows_none(world):
    wanted = world.wanted("one", env={"LEVEL": 'a "b" $HOME $$x'}, secrets={"TOKEN": "hunter2hunter2"})
    world.target.prepare(wanted)
    script = 'echo "[$LEVEL] $TOKEN"; test "$TOKEN" = hunter2hunter2'
    done = world.target.run_once(wanted, ["/bin/sh", "-c", script], milliseconds=20_000)
    assert done.exit == 0
    assert '[a "b" $HOME $$x]' in done.output
    assert "hunter2" not in done.output


@pytest.mark.bar("2 targets", slice=1)
def test_command_beside_a_replica_has_its_network(world):
    needs_network(world)
    wanted = world.wanted("one")
    world.target.prepare(wanted)
    seen = []

    def check(new):
        argv = ["/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8000/index.html"]
        seen.append(world.target.run_once(wanted, argv, milliseconds=20_000, beside=new[0]))

    world.deploy(wanted, check)
    assert (seen[0].exit, seen[0].output.strip()) == (0, "one")


@pytest.mark.bar("2 targets", slice=1)
def test_environment_is_told_by_digests_and_secrets_by_names(world):
    wanted = world.wanted("one", env={"LEVEL": "debug"}, secrets={"TOKEN": "hunter2hunter2"})
    (ran,) = world.deploy(wanted)
    environment = ran.facts["given-environment" if world.kind == "kubernetes" else "environment"]
    assert environment["TOKEN"] is None
    assert environment["LEVEL"].startswith("sha256:")
    assert "hunter2" not in repr(ran)


@pytest.mark.bar("2 targets", slice=1)
def test_volume_outlives_the_containers(world):
    needs_network(world)
    volume = {"volumes": ({"name": "data", "to": "/data"},)}
    wanted = world.wanted("one", **volume)
    world.target.prepare(wanted)
    write = world.target.run_once(wanted, ["sh", "-c", "echo kept > /data/file"], milliseconds=20_000)
    assert write.exit == 0, write
    world.deploy(wanted)
    world.target.remove(world.app, "prod")
    again = world.wanted("two", **volume)
    world.target.prepare(again)
    assert world.target.run_once(again, ["cat", "/data/file"], milliseconds=20_000).output.strip() == "kept"


@pytest.mark.bar("2 targets", slice=1)
def test_scale_disturbs_nobody_who_stays(world):
    (first,) = world.deploy(world.wanted("one"))
    number = world.number
    more = world.target.scale(world.wanted("one", replicas=3, number=number), lambda _: None)
    assert len(more) == 3
    assert first.id in {each.id for each in more}
    with pytest.raises(LookupError):
        world.target.scale(world.wanted("one", replicas=4, number=number), fails)
    assert {each.id for each in world.observe()} == {each.id for each in more}
    fewer = world.target.scale(world.wanted("one", replicas=1, number=number), fails)
    assert len(fewer) == 1


@pytest.mark.bar("2 targets", slice=1)
def test_nothing_is_seen_where_nothing_changed(world):
    before = world.deploy(world.wanted("one", replicas=2))
    assert world.observe() == before


@pytest.mark.bar("2 targets", slice=1)
def test_removed_app_is_gone(world):
    world.deploy(world.wanted("one"))
    world.target.remove(world.app, "prod")
    assert world.observe() == ()
    world.target.remove(world.app, "prod")


def test_requests_at_the_port_of_the_machine(world):
    """Whoever asks at the port gets the old version or the new one; how long nobody answers is told."""
    needs_network(world)
    port = free_port()
    world.deploy(world.wanted("one", port=port))
    assert world.ask(port) == "one"
    answers, stop = [], threading.Event()
    asking = threading.Thread(target=_ask_on, args=(world, port, answers, stop))
    asking.start()
    try:
        with pytest.raises(LookupError):
            world.deploy(world.wanted("two", port=port), fails)
        assert set(answers) == {"one"}
        world.deploy(world.wanted("two", port=port))
        assert world.ask(port) == "two"
    finally:
        stop.set()
        asking.join()
    assert set(answers) <= {"one", "two", ""}
    if world.kind == "native":
        assert "" not in answers


@pytest.mark.bar("2 targets", slice=1)
def test_one_of_two_replicas_answers_while_both_are_exchanged(world):
    """What stands before them asks the next port where nobody answers at one: that is enough."""
    needs_network(world)
    port = free_ports()
    world.deploy(world.wanted("one", port=port, replicas=2))
    answers, stop = [], threading.Event()
    ports = (port,) if world.kind == "native" else (port, port + 1)
    asking = threading.Thread(target=_ask_in_turn, args=(world, ports, answers, stop))
    asking.start()
    try:
        world.deploy(world.wanted("two", port=port, replicas=2))
    finally:
        stop.set()
        asking.join()
    assert {"one"} <= set(answers) <= {"one", "two"}
    assert {world.ask(each) for each in ports} == {"two"}


def free_ports():
    """Return a port that is free, and the next one too."""
    while True:
        port = free_port()
        with socket.socket() as after, contextlib.suppress(OSError, OverflowError):
            after.bind(("127.0.0.1", port + 1))
            return port


def _ask_in_turn(world, ports, answers, stop):
    """Ask one port after the other until one answers; where none does in two rounds, nobody did."""
    while not stop.is_set():
        for port in (*ports, *ports):
            try:
                answers.append(world.ask(port))
                break
            except (OSError, http.client.HTTPException):
                continue
        else:
            answers.append("")


def _ask_on(world, port, answers, stop):
    while not stop.is_set():
        try:
            answers.append(world.ask(port))
        except (OSError, http.client.HTTPException):
            answers.append("")
        time.sleep(0.02)
