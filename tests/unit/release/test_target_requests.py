"""What targets are asked for, and what is read back: the pure parts."""

import json
import re
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.declare.errors import TargetError
from pipeline.declare.stage_file import DeployPart
from pipeline.release.targets import confinement, kubernetes_manifests
from pipeline.release.targets.compose import ByCompose
from pipeline.release.targets.compose_file import compose_file, keep_services, project_of, read_names, to_yaml
from pipeline.release.targets.engine import told
from pipeline.release.targets.engine_facts import digests_of, facts_of, state_of
from pipeline.release.targets.engine_files import differing, files_of
from pipeline.release.targets.engine_images import require_same
from pipeline.release.targets.engine_request import Place, once_request, replica_request
from pipeline.release.targets.inside import look_inside
from pipeline.release.targets.kubernetes_facts import digests_of as pod_digests
from pipeline.release.targets.kubernetes_facts import facts_of as pod_facts
from pipeline.release.targets.marks import Marks, Role, container_port, masked, refuse_older
from pipeline.release.targets.podman_unit import unit_file
from pipeline.release.targets.supervisor.control import Conversation
from pipeline.release.targets.target import ReplicaState, Wanted
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.image import Image
from runtime.plan import Plan, User

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from mutant import disabled

LIMITS = frozenset({"memory", "processes"})
PLACE = Place(image="registry.example/web@sha256:1", network="n", offers=LIMITS, has_init=True)
SECRET = "hunter2-hunter2"  # noqa: S105 - of the tests
WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\x00"), max_size=20)
MANIFEST = Digest.of(b"manifest")


def wanted(*, number=5, secrets=None, ports=("8000/tcp",), repository="registry.example/web", **deploy):
    image = Image(
        digest=MANIFEST,
        manifest={"config": {"mediaType": "x/y", "digest": Digest.of(b"config").text, "size": 1}},
        config={"config": {"User": "1000:1000", "ExposedPorts": {each: {} for each in ports}}},
        layers=(),
    )
    return Wanted(
        app="web",
        stage="prod",
        number=number,
        release=MANIFEST,
        image=image,
        layout=Path("/nonexistent"),
        repository=repository,
        deploy=DeployPart.model_validate({"secrets": tuple(secrets or ()), **deploy}),
        secrets=secrets or {},
    )


def test_confinement_is_that_of_the_reference_host():
    user = User(uid=1000, gid=1000, home="/home/app")
    plan = Plan(image=MANIFEST, suite=None, argv=("x",), workdir="/", environment={}, user=user, capabilities=())
    plan = Host(name="reference", factors={}).apply(plan)
    assert set(confinement.CAPABILITIES) == set(plan.capabilities)
    assert plan.limits.memory == confinement.MEMORY
    assert plan.limits.processes == confinement.PROCESSES
    assert plan.limits.open_files == confinement.OPEN_FILES
    sizes = {each.path: each.size for each in plan.tmpfs}
    assert sizes["/tmp"] == confinement.TEMPORARY
    assert sizes["/dev/shm"] == confinement.SHARED_MEMORY
    assert plan.no_new_privileges


@given(st.dictionaries(WORDS.filter(lambda each: each and "=" not in each), WORDS, max_size=4))
def test_compose_file_says_each_variable_as_it_is(variables):
    text = to_yaml(compose_file(wanted(env=variables), PLACE, Role.REPLICA, {1: "web.prod.5.aa.1"}, "p"))
    found = yaml.safe_load(text)["services"]["replica-1"].get("environment", [])
    # Compose replaces `$$` by `$`, and a lone `$` by a variable: there is none.
    assert all("$" not in each.replace("$$", "") for each in found)
    assert dict(each.replace("$$", "$").partition("=")[::2] for each in found) == variables


def test_compose_file_holds_names_of_secrets_and_no_values():
    made = compose_file(wanted(secrets={"TOKEN": SECRET}), PLACE, Role.REPLICA, {1: "web.prod.5.aa.1"}, "p")
    assert SECRET.encode() not in to_yaml(made)
    assert made["services"]["replica-1"]["environment"] == ["TOKEN"]


def test_compose_file_pins_the_image_and_owns_neither_network_nor_volumes():
    volumes = ({"name": "data", "to": "/data"},)
    made = compose_file(wanted(volumes=volumes), PLACE, Role.REPLICA, {1: "a", 2: "b"}, "p")
    assert {each["image"] for each in made["services"].values()} == {PLACE.image}
    assert made["networks"]["default"]["external"] is True
    assert made["volumes"] == {"data": {"name": "web.prod.data", "external": True}}


def test_compose_file_is_read_back_and_loses_replicas(tmp_path):
    path, names = tmp_path / "p.yaml", {1: "web.prod.5.aa.1", 2: "web.prod.5.aa.2"}
    path.write_bytes(to_yaml(compose_file(wanted(), PLACE, Role.REPLICA, names, "p")))
    assert read_names(path) == ("p", names)
    keep_services(path, {"replica-2"})
    assert read_names(path) == ("p", {2: "web.prod.5.aa.2"})
    keep_services(path, set())
    assert not path.exists()
    assert read_names(path) == ("", {})


def test_project_of_compose_is_made_of_what_compose_takes():
    assert project_of("my_app.v2.prod.5.aa.1") == "my-app-v2-prod-5-aa"


def test_candidate_has_no_port_of_the_machine():
    deploy = {"port": 80, "health": {"port": 8000}}
    candidate = replica_request(wanted(**deploy), PLACE, Role.CANDIDATE, 2)["HostConfig"]["PortBindings"]
    replica = replica_request(wanted(**deploy), PLACE, Role.REPLICA, 2)["HostConfig"]["PortBindings"]
    assert candidate == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    assert replica == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}, {"HostIp": "", "HostPort": "81"}]}


def test_command_beside_a_container_has_its_network():
    assert once_request(wanted(), PLACE, ["a", "b"], beside="x")["HostConfig"]["NetworkMode"] == "container:x"
    assert once_request(wanted(), PLACE, ["a", "b"])["HostConfig"]["NetworkMode"] == "n"


def test_labels_hold_no_secret_and_are_read_back():
    marks = Marks.of(wanted(secrets={"TOKEN": SECRET}, health={"port": 8000, "http": "/ready"}), Role.REPLICA, 3)
    assert SECRET not in repr(marks.labels())
    assert Marks.parse(marks.labels()) == marks
    assert marks.health == "8000/ready"


@given(st.dictionaries(st.sampled_from(["dev.seatrial.number", "dev.seatrial.index", "dev.seatrial.release"]), WORDS))
def test_labels_that_somebody_wrote_are_read_without_an_error(labels):
    marks = Marks.parse(labels)
    assert marks.number >= 0
    assert marks.index >= 0


def test_promotion_that_is_older_than_what_runs_is_refused():
    refuse_older(wanted(number=5), [5, 4])
    with pytest.raises(TargetError, match="promotion 5 of web is older than 6"):
        refuse_older(wanted(number=5), [4, 6])


@pytest.mark.parametrize(
    ("key", "name", "state", "told"),
    [
        ("ephemeralContainers", "seatrial-beside-1", {"terminated": {"exitCode": 0}}, ["app"]),
        ("ephemeralContainers", "seatrial-beside-1", {"running": {}}, ["app", "seatrial-beside-1"]),
        ("ephemeralContainers", "debugger", {"terminated": {"exitCode": 0}}, ["app", "debugger"]),
        ("initContainers", "seatrial-beside-1", {}, ["app", "seatrial-beside-1"]),
    ],
)
def test_container_that_is_added_to_a_pod_is_told_whatever_it_is_called(key, name, state, told):
    status = {"ephemeralContainerStatuses": [{"name": name, "state": state}]}
    pod = {"spec": {"containers": [{"name": "app"}], key: [{"name": name}]}, "status": status}
    assert pod_facts(pod)["containers"] == told


@pytest.mark.parametrize(
    ("ports", "deploy", "port"),
    [
        (("8000/tcp",), {}, None),
        (("8000/tcp",), {"port": 80}, 8000),
        ((), {"port": 80}, 80),
        (("8000/tcp", "9000/tcp"), {"port": 9000}, 9000),
        (("8000/tcp", "53/udp"), {"port": 80}, 8000),
        (("8000/tcp", "http/tcp", "1-9/tcp", "", "9" * 5000, "²"), {"port": 80}, 8000),
        (("1/tcp", "2/tcp"), {"port": 80, "health": {"port": 2}}, 2),
    ],
)
def test_port_of_containers_is_found(ports, deploy, port):
    assert container_port(wanted(ports=ports, **deploy)) == port


@pytest.mark.parametrize(
    ("fact", "host"),
    [
        ("devices", {"Devices": [{"PathOnHost": "/dev/mem", "PathInContainer": "/m", "CgroupPermissions": "rwm"}]}),
        ("devices", {"DeviceRequests": [{"Driver": "nvidia", "Count": -1}]}),
        ("devices", {"DeviceCgroupRules": ["b *:* rwm"]}),
        ("groups", {"GroupAdd": ["docker"]}),
        ("security", {"SecurityOpt": ["apparmor=unconfined"]}),
        ("security", {"SecurityOpt": ["label=disable", "no-new-privileges"]}),
        ("sysctls", {"Sysctls": {"net.ipv4.ip_forward": "1"}}),
        ("limits", {"Ulimits": [{"Name": "nofile", "Soft": 9, "Hard": 9}]}),
    ],
)
def test_what_an_engine_gives_a_container_beyond_its_deployment_is_a_fact(fact, host):
    def told_of(given):
        return facts_of({"HostConfig": given}, Marks(app="", stage="", role=""), None)

    assert told_of({"SecurityOpt": ["no-new-privileges", "seccomp=x"]})[fact] == []
    assert told_of(host)[fact]


def test_answer_of_a_supervisor_that_ends_meanwhile_is_an_error():
    ours, theirs = socket.socketpair()
    with Conversation(ours) as conversation, theirs:
        theirs.sendall(b'{"replicas": [')
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(TargetError, match="ended while it answered"):
            conversation.ask(do="observe")


def test_file_of_compose_that_cannot_be_written_is_an_error_of_the_target(tmp_path):
    (tmp_path / "web").touch()
    starter = ByCompose(tmp_path / "web", ("true",), joins=False)
    with pytest.raises(TargetError, match=re.escape(str(tmp_path / "web"))), told("docker"):
        starter.start(SimpleNamespace(address=""), wanted(), PLACE, Role.REPLICA, {1: "web.prod.5.a.1"})


def test_file_whose_archive_is_cut_off_is_told_as_gone():
    client = SimpleNamespace(diff=lambda _: [{"Path": "/a", "Kind": 1}], get_archive=lambda *_: (iter([b"x"]), {}))
    whole = files_of(client, "web", ())
    assert whole["changed"] == ["/a"]
    assert whole["files"] == Digest.of_json({"/a": "gone"}).text


def test_port_that_could_lead_to_two_is_refused():
    with pytest.raises(TargetError, match="which"):
        container_port(wanted(ports=("1/tcp", "2/tcp"), port=80))


def test_secrets_are_masked_the_longest_first():
    assert masked("x abcd ab", {"A": "ab", "B": "abcd", "C": ""}) == "x *** ***"


def test_digests_are_those_that_the_engine_resolved_not_what_was_typed():
    other = Digest.of(b"typed").text
    container = {"Image": Digest.of(b"config").text, "Config": {"Image": f"web@{other}"}}
    image = {"Id": Digest.of(b"config").text, "RepoDigests": [f"a/web@{MANIFEST}", "b/web@nonsense"]}
    assert digests_of(container, image) == {Digest.of(b"config"), MANIFEST}


LAYERS = [Digest.of(b"layer").text]
OTHERS = {
    "neither digest": {"Id": Digest.of(b"x").text, "RootFS": {"Layers": []}},
    "other layers": {"Id": Digest.of(b"config").text, "RootFS": {"Layers": LAYERS}},
    "a digest of another": {"Id": Digest.of(b"x").text, "RepoDigests": [f"a/b@{Digest.of(b'y')}"]},
}


@pytest.mark.parametrize("name", OTHERS)
def test_image_in_place_of_another_is_refused(name):
    with pytest.raises(TargetError, match="another image in place of"):
        require_same(SimpleNamespace(name="docker"), wanted(), OTHERS[name])


def test_image_is_the_same_by_either_digest():
    for found in ({"Id": Digest.of(b"config").text}, {"Id": Digest.of(b"x").text, "RepoDigests": [f"a/b@{MANIFEST}"]}):
        require_same(SimpleNamespace(name="docker"), wanted(), found)


MUTANTS = {
    "image": ("engine_images", "    if digests_of({}, found) & ", "    if True or digests_of({}, found) & "),
    "older": ("marks", "    if wanted.number < latest:", "    if wanted.number < 0:"),
    "port": ("marks", "    if len(ports) > 1 and deploy.port", "    if False and deploy.port"),
    "layout": ("kubernetes_manifests", "    if not wanted.repository:", "    if False:"),
}
REFUSED = {
    "image": lambda: [require_same(SimpleNamespace(name="docker"), wanted(), each) for each in OTHERS.values()],
    "older": lambda: refuse_older(wanted(number=5), [6]),
    "port": lambda: container_port(wanted(ports=("1/tcp", "2/tcp"), port=80)),
    "layout": lambda: kubernetes_manifests.deployment(wanted(repository=""), "5-aa"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_target_without_a_check_takes_what_it_refuses(name):
    with pytest.raises(TargetError):
        REFUSED[name]()
    module, old, new = MUTANTS[name]
    with disabled(f"pipeline.release.targets.{module}", old, new):
        REFUSED[name]()


@pytest.mark.parametrize(
    ("told", "found"),
    [
        (f"registry.example/web@{MANIFEST}", {MANIFEST}),
        (f"docker-pullable://registry.example/web@{MANIFEST}", {MANIFEST}),
        (MANIFEST.text, {MANIFEST}),
        (f"docker://{MANIFEST}", {MANIFEST}),
        ("", set()),
        ("registry.example/web:latest", set()),
    ],
)
def test_digest_of_a_pod_is_read_in_each_form(told, found):
    assert pod_digests({"status": {"containerStatuses": [{"imageID": told}]}}) == found


def test_digest_of_a_pod_is_that_of_the_app_and_of_no_other_container():
    other = Digest.of(b"other")
    app, beside = {"name": "app", "imageID": other.text}, {"name": "sidecar", "imageID": MANIFEST.text}
    status = {"containerStatuses": [app, beside], "initContainerStatuses": [{**beside, "name": "first"}]}
    assert pod_digests({"status": status}) == {other}
    assert pod_digests({"status": {"containerStatuses": [beside]}}) == set()


@pytest.mark.parametrize(
    ("told", "argv"),
    [
        (["/bin/app", "--", "x"], ["/bin/app", "--", "x"]),
        (["/run/podman-init", "--", "/bin/app", "x"], ["/bin/app", "x"]),
        (["/run/podman-init", "x"], ["/run/podman-init", "x"]),
    ],
)
def test_command_is_told_without_the_init_before_it(told, argv):
    inspected = {"Path": told[0], "Args": told[1:]}
    assert facts_of(inspected, Marks(app="", stage="", role=""), None)["argv"] == argv


def test_capabilities_of_an_engine_begin_as_dockers():
    def capabilities(**host):
        return facts_of({"HostConfig": host}, Marks(app="", stage="", role=""), None)["capabilities"]

    assert capabilities() == [*confinement.CAPABILITIES]
    assert capabilities(CapDrop=["ALL"]) == []
    assert capabilities(CapDrop=["ALL"], CapAdd=["CAP_CHOWN"]) == ["chown"]
    assert "sys_admin" in capabilities(Privileged=True)
    assert "sys_ptrace" in capabilities(CapAdd=["SYS_PTRACE"])


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({"Running": True}, ReplicaState.RUNNING),
        ({"Running": True, "Paused": True}, ReplicaState.UNHEALTHY),
        ({"Running": True, "Restarting": True}, ReplicaState.UNHEALTHY),
        ({"Running": True, "Health": {"Status": "unhealthy"}}, ReplicaState.UNHEALTHY),
        ({"Running": False}, ReplicaState.STOPPED),
        ({}, ReplicaState.STOPPED),
    ],
)
def test_state_of_a_container_is_read(state, found):
    assert state_of({"State": state}) is found


def test_folders_above_changes_and_mount_points_do_not_differ():
    changes = dict.fromkeys(("/etc", "/etc/passwd", "/etc/hosts", "/var"), 0)
    changes |= {"/data": 1, "/var/old": 2, "/new": 1, "/dev/x": 1}
    assert differing(changes, frozenset({"/data"})) == {"/etc/passwd": 0, "/new": 1, "/var/old": 2}


def test_folder_that_was_removed_differs_with_what_was_in_it():
    assert differing({"/srv": 2, "/srv/x": 2}, frozenset()) == {"/srv": 2, "/srv/x": 2}


@pytest.fixture
def proc(tmp_path):
    folder = tmp_path / "7"
    folder.mkdir()
    ids = "100999\t" * 4
    status = {"Uid": ids, "Gid": ids, "CapBnd": "0000000000000001", "NoNewPrivs": "1", "Seccomp": "2"}
    (folder / "status").write_text("".join(f"{name}:\t{value}\n" for name, value in status.items()))
    (folder / "cgroup").write_text("0::/docker/abc\n")
    (folder / "uid_map").write_text("0 1000 1\n1 100000 65536\n")
    (folder / "gid_map").write_text("0 1000 1\n1 100000 65536\n")
    (folder / "mountinfo").write_text("1 2 0:3 / / rw,relatime shared:1 - overlay overlay rw,upperdir=/x\n")
    return tmp_path


def test_process_of_a_container_is_told_in_ids_of_its_own(proc):
    found = look_inside(7, "abc", proc)
    assert found.user == "1000:1000"
    assert found.capabilities == ("chown",)
    assert found.mounts == ("/ overlay rw",)
    assert found.no_new_privileges
    assert found.is_filtered


@pytest.mark.parametrize(("pid", "container"), [(0, "abc"), (8, "abc"), (7, "other")])
def test_process_of_another_machine_tells_nothing(proc, pid, container):
    assert look_inside(pid, container, proc) is None


@given(st.lists(st.lists(st.text("ab-._A", min_size=1, max_size=5), min_size=2, max_size=3), min_size=2, max_size=2))
def test_names_in_a_cluster_are_of_one_app_in_one_stage_alone(both):
    one, other = both
    names = {kubernetes_manifests.name_of(*one), kubernetes_manifests.name_of(*other)}
    assert (len(names) == 1) == (one == other)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?", each) for each in names)


def test_name_in_a_cluster_is_plain_where_it_can_be():
    assert kubernetes_manifests.name_of("shop", "prod", "data") == "shop-prod-data"
    assert kubernetes_manifests.name_of("web-a", "b") != kubernetes_manifests.name_of("web", "a-b")


def test_names_that_a_cluster_does_not_take_become_others_that_differ():
    names = {kubernetes_manifests.name_of(app, "prod") for app in ("web", "we_b", "we.b", "we-b", "w" * 63)}
    assert len(names) == 5
    assert "web-prod" in names
    assert all(len(each) < 50 and each.replace("-", "").isalnum() for each in names)


def test_manifests_on_disk_hold_no_secret_and_pin_the_image():
    wish = wanted(secrets={"TOKEN": SECRET}, port=80, volumes=({"name": "data", "to": "/data"},))
    shown = (*kubernetes_manifests.claims(wish), kubernetes_manifests.deployment(wish, "5-aa"))
    text = kubernetes_manifests.to_yaml((*shown, kubernetes_manifests.service(wish, "5-aa")))
    assert SECRET not in text
    claim, deployment, service = yaml.safe_load_all(text)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example/web@{MANIFEST}"
    assert container["env"] == [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web-prod-5-aa", "key": "TOKEN"}}}
    ]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert claim["metadata"]["name"] == "web-prod-data"
    assert deployment["spec"]["template"]["spec"]["securityContext"]["fsGroup"] == 1000


def test_cluster_without_a_registry_is_told_what_to_write():
    with pytest.raises(TargetError, match="pulls images from a registry") as found:
        kubernetes_manifests.deployment(wanted(repository=""), "5-aa")
    assert "store:" in found.value.hint


def test_unit_holds_neither_variables_nor_secrets():
    wish = wanted(secrets={"TOKEN": SECRET}, env={"LEVEL": "debug"})
    text = unit_file(wish, 1, "web.prod.5.aa.1", ("/usr/bin/podman", "--root=/a b%"), "default.target")
    assert SECRET not in text
    assert "debug" not in text
    assert 'ExecStart=/usr/bin/podman "--root=/a b%%" start --attach web.prod.5.aa.1' in text


def test_request_is_json():
    assert json.loads(json.dumps(replica_request(wanted(port=80), PLACE, Role.REPLICA, 1)))
