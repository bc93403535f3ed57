"""What other tools do with the same hostile inputs: ``python tests/hostile/peers.py`` writes the table.

Root runs it. Peers run as their packages configure them; one that starts nothing here is left out, and that is said.
A hostile layer is unpacked by a user who owns nothing.
"""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from hostile_layers import CASES, ENDINGS, HOSTILE  # noqa: E402 - found by the line above
from hostile_runs import ATTACKS, Attack, lay, lay_base  # noqa: E402

TABLE = HERE.parents[1] / "docs" / "reference" / "hostile-inputs.md"
NOBODY = 65534
PATIENCE = 20
OURS_ONLY = frozenset({"deadline", "artifacts", "results"})
"""What a plan asks and no peer knows."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a peer did, in the words of an outcome."""

    exit_code: int | None
    signal: int | None
    stdout: "Text"
    stderr: "Text"
    is_refused: bool
    changed: tuple[str, ...] = ()
    limit: None = None


@dataclass(frozen=True)
class Text:
    """A stream."""

    content: bytes


def is_comparable(attack: Attack) -> bool:
    """Tell whether a peer can be asked the same."""
    host = attack.plan.get("host", {})
    return not OURS_ONLY & attack.plan.keys() and not {"seccomp", "capabilities"} & host.keys()


def judge(attack: Attack, done: Done | None) -> str:
    """Return ``refused``, ``contained`` or ``accepted``, or ``hangs`` where nothing came of it in time."""
    if done is None:
        return "hangs"
    if done.is_refused:
        return "refused"
    try:
        is_contained = not attack.refused and attack.proof(done)
    except (IndexError, ValueError):
        is_contained = False  # the program wrote nothing that could be read
    return "contained" if is_contained else "accepted"


def lay_root(folder: Path, attack: Attack) -> None:
    """Lay the tree of an attack, one layer over the other."""
    folder.mkdir()
    pid = os.fork()
    if pid == 0:
        try:
            lay_base(os.open(folder, os.O_RDONLY))
            for name in attack.files:
                path = Path(name)
                if path.is_symlink() or path.is_file() or (attack.files[name] is not None and not path.is_dir()):
                    path.unlink(missing_ok=True)
                elif path.is_dir():
                    shutil.rmtree(path)
            lay(os.open(folder, os.O_RDONLY), attack.files)
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError(f"cannot lay {attack.check}")


def ids(attack: Attack) -> tuple[int, int]:
    """Return who runs the program."""
    return (0, 0) if attack.plan.get("host", {}).get("user") == "root" else (1000, 1000)


def argv(attack: Attack) -> list[str]:
    """Return the program."""
    return ["/bin/sh", "-c", attack.argv] if isinstance(attack.argv, str) else list(attack.argv)


def environment(attack: Attack) -> Mapping[str, str]:
    """Return its environment."""
    return attack.plan.get("environment", {"PATH": "/bin"})


def by_bundle(runtime: str, *options: str) -> Callable[[Path, Attack], Done | None]:
    """Run attacks by an OCI runtime, with the configuration that its ``spec`` writes."""

    def start(place: Path, attack: Attack) -> Done | None:
        subprocess.run([runtime, "spec"], cwd=place, check=True, capture_output=True)
        config = json.loads((place / "config.json").read_text())
        uid, gid = ids(attack)
        config["process"] |= {
            "terminal": False,
            "args": argv(attack),
            "cwd": attack.plan.get("workdir", "/app"),
            "env": [f"{name}={value}" for name, value in environment(attack).items()],
            "user": {"uid": uid, "gid": gid},
        }
        config["root"] = {"path": "rootfs", "readonly": False}
        config["hostname"] = "seatrial"
        (place / "config.json").write_text(json.dumps(config))
        name = f"hostile-{os.getpid()}-{place.name}"
        try:
            log = place / "log"
            command = [runtime, *options, "--log", str(log), "run", "--bundle", str(place), name]
            return finish(command, lambda _: log.exists() and log.stat().st_size > 0)
        finally:
            subprocess.run([runtime, "delete", "--force", name], check=False, capture_output=True)

    return start


def by_podman(place: Path, attack: Attack) -> Done | None:
    """Run an attack by Podman, with its defaults."""
    uid, gid = ids(attack)
    name = f"hostile-{os.getpid()}-{place.name}"
    more = [word for each in environment(attack).items() for word in ("--env", "=".join(each))]
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
    command = [*PODMAN, "run", *limits, "--rm", "--name", name, "--network=none", *more, f"--user={uid}:{gid}"]
    command += ["--hostname", "seatrial", "--workdir", str(attack.plan.get("workdir", "/app"))]
    try:
        command += ["--rootfs", str(place / "rootfs"), *argv(attack)]
        return finish(command, lambda stderr: stderr.startswith((b"Error:", b"time=")), place)
    finally:
        subprocess.run([*PODMAN, "rm", "--force", name], check=False, capture_output=True)


def finish(command: list[str], refuses: Callable[[bytes], bool], place: Path | None = None) -> Done | None:
    """Run a command; None if it did not end in time. ``refuses`` tells from stderr whether it started nothing."""
    try:
        ended = subprocess.run(
            command, capture_output=True, check=False, timeout=PATIENCE, stdin=subprocess.DEVNULL, cwd=place
        )
    except subprocess.TimeoutExpired:
        return None
    code = ended.returncode
    number = -code if code < 0 else code - 128 if code in (128 + 11, 128 + 31) else None
    return Done(
        exit_code=None if number else code,
        signal=number,
        stdout=Text(ended.stdout),
        stderr=Text(ended.stderr),
        is_refused=refuses(ended.stderr),
    )


PODMAN = ("podman", "--runtime=runc", "--cgroup-manager=cgroupfs", "--events-backend=file")
RUNTIMES = {
    "runc": by_bundle("runc"),
    "crun": by_bundle("crun", "--cgroup-manager", "disabled"),
    "podman": by_podman,
}
"""Peer → how it runs an attack."""

HARMLESS = Attack(check="starts at all", argv=("true",))


def is_here(peer: str) -> bool:
    """Tell whether a peer is installed and starts a program of no harm: what starts nothing would refuse everything."""
    if not shutil.which(peer):
        return False
    with tempfile.TemporaryDirectory(prefix="seatrial-peers-") as place:
        work = Path(place) / "harmless"
        work.mkdir()
        lay_root(work / "rootfs", HARMLESS)
        return judge(HARMLESS, RUNTIMES[peer](work, HARMLESS)) == "contained"


def unpack_by_umoci(place: Path, archive: bytes) -> str:
    """Unpack a layer by umoci, as a user who owns nothing; what lies beside the bundle afterwards escaped."""
    image, bundle = place / "image", place / "inner" / "bundle"
    (image / "blobs/sha256").mkdir(parents=True)
    bundle.parent.mkdir()

    def blob(content: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (image / "blobs/sha256" / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    layer = blob(archive, "layer.v1.tar")
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode(), "config.v1+json")
    document = {"schemaVersion": 2, "config": config, "layers": [layer]}
    manifest = blob(json.dumps(document).encode(), "manifest.v1+json")
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "hostile"}
    (image / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (image / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    for each in (place, *place.rglob("*")):
        os.chown(each, NOBODY, NOBODY)
    try:
        ended = subprocess.run(
            ["umoci", "unpack", "--rootless", "--image", f"{image}:hostile", str(bundle)],
            capture_output=True, check=False, timeout=PATIENCE, user=NOBODY, group=NOBODY, extra_groups=(), cwd=place,
            env={"HOME": str(place), "PATH": os.defpath}, preexec_fn=_bound,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "hangs"
    if {each.name for each in place.iterdir()} != {"image", "inner"} or len(list((place / "inner").iterdir())) > 1:
        return "escapes"
    return "refused" if ended.returncode else "accepted"


def _bound() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))
    resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))


def compare_runs(names: list[str], peers: list[str]) -> dict[str, dict[str, str]]:
    """Return attack → peer → what it did."""
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory(prefix="seatrial-peers-") as place:
        for name in names:
            for peer in peers:
                work = Path(place) / f"{len(found)}-{peer}"
                work.mkdir()
                lay_root(work / "rootfs", ATTACKS[name])
                did = judge(ATTACKS[name], RUNTIMES[peer](work, ATTACKS[name]))
                found.setdefault(name, {})[peer] = did
    return found


def compare_layers(names: list[str]) -> dict[str, str]:
    """Return layer → what umoci did."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="seatrial-peers-") as place:
        Path(place).chmod(0o755)
        for name in names:
            work = Path(place) / str(len(found))
            work.mkdir()
            found[name] = unpack_by_umoci(work, CASES[name].archive)
    return found


def comparable_runs() -> list[str]:
    """Return the attacks that peers can be asked."""
    return [name for name, each in ATTACKS.items() if is_comparable(each)]


def comparable_layers() -> list[str]:
    """Return the layers whose fault lies in the archive itself."""
    return [*HOSTILE, *(f"ending_{name}" for name in ENDINGS)]


def render(runs: Mapping[str, Mapping[str, str]], layers: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """Return the page."""
    peers = list(dict.fromkeys(peer for each in runs.values() for peer in each))
    lines = [
        "# Hostile inputs, here and elsewhere",
        "",
        "Generated by `python tests/hostile/peers.py` (as root), which gives each peer that works on the machine the",
        "fixtures of `tests/hostile`. Peers run as their packages configure them: runc and crun with what their `spec`",
        "writes, which has no filter of system calls; Podman with its defaults, over runc. Docker is not asked yet.",
        "",
        "* refused: nothing was started, with a reason.",
        "* contained: it ran, and what ours is held to holds there, too.",
        "* accepted: it ran, and the fixture's proof did not hold. The proofs are ours, and strict (exact errno, our",
        "  own layout of `/dev`, `/etc` and `/tmp`): a check of ours has no like there. It does not say that anything",
        "  escaped; what did is called `escapes`, and what did not end in 20 s `hangs`.",
        "",
        *(f"* {name}: {text}" for name, text in versions.items()),
        "",
        "## Runs",
        "",
        f"| check | ours | {' | '.join(peers)} |",
        f"|---|---|{'---|' * len(peers)}",
    ]
    by_check: dict[str, list[str]] = defaultdict(list)
    for name in runs:
        by_check[ATTACKS[name].check].append(name)
    for check, names in by_check.items():
        ours = Counter("refused" if ATTACKS[name].refused else "contained" for name in names)
        cells = [_cell(ours), *(_cell(Counter(runs[name][peer] for name in names)) for peer in peers)]
        lines.append(f"| {check} | {' | '.join(cells)} |")
    left = sorted({each.check for each in ATTACKS.values()} - by_check.keys())
    lines += ["", f"Not asked, as they rest on limits or levels that only ours has: {', '.join(left)}.", ""]
    lines += ["## Layers", "", "Ours refuses all, each with a reason of its own.", ""]
    lines += ["| reason | ours | umoci |", "|---|---|---|"]
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name in layers:
        by_reason[str(CASES[name].reason)].append(name)
    for reason, names in sorted(by_reason.items()):
        cells = [_cell(Counter({"refused": len(names)})), _cell(Counter(layers[name] for name in names))]
        lines.append(f"| {reason} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(found: Counter[str]) -> str:
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{count} {word}" for word, count in sorted(found.items()))


def version(peer: str) -> str:
    """Return the first line of what a peer says it is."""
    done = subprocess.run([peer, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]


def main() -> None:
    """Ask every peer of this machine everything, and write the table."""
    peers = [each for each in RUNTIMES if is_here(each)]
    runs = compare_runs(comparable_runs(), peers)
    idle = sorted({each for each in RUNTIMES if shutil.which(each)} - set(peers))
    layers = compare_layers(comparable_layers()) if shutil.which("umoci") else {}
    told = {each: version(each) for each in (*peers, *(["umoci"] if layers else []))}
    told |= {each: f"{version(each)}; left out, as it starts no program at all on this machine" for each in idle}
    TABLE.write_text(render(runs, layers, told), encoding="utf-8")


if __name__ == "__main__":
    main()
