"""Make a stratum of a Debian tree: the image's own dpkg installs its packages inside the native runtime."""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipeline.build import certificates, first_use, old_bytecode, scripts_bytecode
from pipeline.build.dpkg_database import before_scripts
from pipeline.build.ecosystems.debian.deb import read_deb
from pipeline.build.keystore import clamp_keystore
from pipeline.build.left_out import PACKAGES
from pipeline.build.strata import ADDED, LATE, Stratum
from pipeline.build.unpacking import unpack_first
from pipeline.build.unpacking_over import unpack_over
from pipeline.declare.errors import BuildError
from runtime.backends.native.backend import NativeBackend
from runtime.backends.native.idmap import BASE, read_id_map
from runtime.backends.native.launch import launch
from runtime.backends.native.mapped import run_mapped
from runtime.digest import Digest
from runtime.host import Host
from runtime.oci.below import Below
from runtime.oci.upper import settle_upper
from runtime.outcome import Limit, Outcome
from runtime.plan import Denial, Plan, User

_BEGIN = """set -e
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
"""
_END = """find /run -xdev -mindepth 1 ! -type d -delete
find /tmp -xdev -mindepth 1 -delete
if [ -s /etc/machine-id ]; then rm /etc/machine-id && : > /etc/machine-id && chmod 644 /etc/machine-id; fi
for each in /var/cache/apt/archives/partial /var/lib/apt/lists/partial; do
  if [ -d "$each" ] && id _apt >/dev/null 2>&1; then chown _apt:root "$each" && chmod 700 "$each"; fi
done
"""
"""What scripts leave for this boot, and the name of this machine: an empty file is filled when a machine first starts.

Folders in /run stay: services expect them, and in a container nothing that boots makes them. Those into which apt
downloads are closed, as it does itself when it first runs.

Source: machine-id(5), of images that are used on many machines.
"""
_ACT = "dpkg --force-unsafe-io --force-depends"
_SYNC = ("fsync", "fdatasync", "msync", "sync", "syncfs", "sync_file_range")
"""What dpkg calls after every file and every change of its database; the tree is packed and thrown away."""
_SLEEP = ("nanosleep", "clock_nanosleep")
"""What the lowest stratum does without: libc6's script gives services a second to be restarted, and none runs there."""

_TIMEOUT = 900_000
_SHOWN = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a stratum is laid on.

    Args:
        below: the unpacked strata under it, the lowest first.
        work: an empty folder for the overlay of them, with the owner and on the file system of the stratum's own.
    """

    below: tuple[Path, ...]
    work: Path


def bootstrap(
    folder: Path,
    stratum: Stratum,
    packages: Mapping[str, Path],
    *,
    epoch: int,
    ground: Ground | None = None,
    locales: Sequence[str] = (),
    architecture: str = "",
    deadline: int = _TIMEOUT,
) -> None:
    """Make one stratum of a Debian tree; maintainer scripts take effect.

    Args:
        folder: an empty directory that is user 0's of the mapped ids; it then holds what the stratum changes.
        stratum: which packages are installed, in which order.
        packages: name → .deb, of the stratum's packages.
        epoch: SOURCE_DATE_EPOCH of the scripts.
        ground: what is below; None for the lowest one.
        locales: compiled with localedef, such as ``tr_TR.UTF-8``.
        architecture: of the packages, where it is not this machine's: their programs are emulated.
        deadline: milliseconds after which every process of the scripts is ended.

    Raises:
        PackageError: a package breaks its format.
        BuildError: a script failed; the message ends with what it wrote.
    """
    import zstandard  # noqa: F401, PLC0415 - packages of Ubuntu take it, and who unpacks them may not reach our modules

    below, work = (ground.below, ground.work) if ground else ((), None)
    # The process that starts the scripts is on its way while packages are unpacked.
    with NativeBackend(lambda _: below, launched=launch(one_id=read_id_map().has_one_id)) as backend:
        script = _unpacked(folder, stratum, packages, below, epoch)
        commands = [script, *(_localedef(each) for each in locales)]
        skipped = _SYNC if ground else (*_SYNC, *_SLEEP)
        plan = replace(_plan("\n".join(commands), epoch, skipped), architecture=architecture, deadline=deadline)
        outcome = backend.run_in_tree(folder, plan, work=work)
    if outcome.exit_code != 0:
        raise BuildError(
            f"configuring the packages failed ({_end(outcome, deadline)}): {_last_words(outcome)}",
            hint="leave out the package whose script failed, or lock another version of it; the lines above name it",
        )
    if below:
        run_mapped(settle_upper, directories=(folder, *below))
    run_mapped(lambda root: clamp_keystore(root, epoch=epoch), directories=(folder,))


def _unpacked(folder: Path, stratum: Stratum, packages: Mapping[str, Path], below: tuple[Path, ...], epoch: int) -> str:
    """Unpack what is not left to dpkg, and return the lines of shell that install the stratum then."""
    names = stratum.packages
    _copy({name: packages[name] for name in names}, folder / PACKAGES)
    known: tuple[str, ...] = ()
    first = ""
    if not below:
        known, first = run_mapped(lambda root: _unpack(root, stratum.stages[0], epoch), directories=(folder,))
    elif stratum.stages and stratum.name != ADDED:  # that one may lie on what others made
        known = run_mapped(partial(_unpack_over, stratum, epoch), directories=(folder, *below))
    stages = "".join(_stages(stratum, known)) or _caches(stratum.late)
    after = first_use.after_scripts(names) + certificates.after_scripts(names)
    after += scripts_bytecode.after_scripts(names) + old_bytecode.after_scripts()
    return _BEGIN + old_bytecode.before_scripts() + first + stages + after + _END


def _copy(packages: Mapping[str, Path], to: Path) -> None:
    """Copy the package files to where the ids of a run can read them: the cache may be closed to them."""
    to.mkdir(mode=0o755)
    for name, path in packages.items():
        shutil.copyfile(path, to / f"{name}.deb")
        (to / f"{name}.deb").chmod(0o644)
    if os.geteuid() == 0:
        for each in (to, *to.iterdir()):
            os.chown(each, BASE, BASE)


def _stages(stratum: Stratum, known: Collection[str]) -> Iterator[str]:
    """Yield the lines of shell that install each stage of the packages.

    Args:
        stratum: what is installed.
        known: the packages of which dpkg knows already that they are unpacked.
    """
    for number, names in enumerate(stratum.stages):
        later = [name for stage in stratum.stages[number + 1 :] for name in stage if name in known]
        unpacked = [name for name in names if name not in known]
        files = " ".join(f"/debs/{name}.deb" for name in unpacked)
        unpack = f"{_ACT} --unpack {files}\n" if files else ""
        there = (*unpacked, *known) if number == 0 else unpacked  # now, and were not before
        yield unpack + _before_scripts(there) + _configure(names, (*stratum.late, *later))


def _before_scripts(names: Collection[str]) -> str:
    first = first_use.before_scripts(names) + certificates.before_scripts(names)
    return first + scripts_bytecode.before_scripts(names)


def _configure(names: Sequence[str], late: Sequence[str]) -> str:
    """Return the lines of shell that configure one stage of the packages.

    Args:
        names: of the packages.
        late: those that are not configured yet.
    """
    if not late:
        return f"{_ACT} --configure -a\n"
    chosen = " ".join(name for name in names if name not in late)
    configure = f"{_ACT} --no-triggers --configure {chosen}\n" if chosen else ""
    return f"{configure}{_ACT} --triggers-only -a\n"


def _caches(late: Sequence[str]) -> str:
    """Return the lines that configure what comes late, over everything else."""
    folders = [folder for name in late for folder in LATE[name]]
    # Links to folders are followed, as fc-cache does; one that leads nowhere is no reason to stop.
    touch = (f"find -L {each} -xdev -type d -exec touch {{}} + 2>/dev/null || :\n" for each in folders)
    return f"{''.join(touch)}{_ACT} --configure -a\n"


def _unpack(root: int, names: Sequence[str], epoch: int) -> tuple[tuple[str, ...], str]:
    """Unpack what dpkg needs, and nothing else: the scripts of other packages expect to find none of their files.

    Returns:
        The names of those that dpkg knows, and the lines of shell that run those of their scripts that come first.
    """
    os.fchdir(root)
    packages = [read_deb(Path(PACKAGES) / f"{name}.deb") for name in names]
    scratch = Path(PACKAGES) / "plain"
    scratch.mkdir()
    known = unpack_first(root, packages, epoch=epoch, scratch=scratch)
    return known, before_scripts((each for each in packages if each.path.stem in known), f"/{PACKAGES}")


def _unpack_over(stratum: Stratum, epoch: int, root: int, *below: int) -> tuple[str, ...]:
    """Unpack what is usual over the strata below, the lowest of which is first; return its names.

    Only of the first stage: files of a later one wake those that are configured before.
    """
    os.fchdir(root)
    paths = [Path(PACKAGES) / f"{name}.deb" for name in stratum.stages[0]]
    return unpack_over(root, Below(tuple(reversed(below))), paths, epoch=epoch)


def _plan(script: str, epoch: int, skipped: Sequence[str]) -> Plan:
    """Return how the scripts are run.

    Args:
        script: lines of shell.
        epoch: SOURCE_DATE_EPOCH.
        skipped: the system calls that do nothing.
    """
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "DEBCONF_NONINTERACTIVE_SEEN": "true",
        "PYTHONDONTWRITEBYTECODE": "1",  # scripts compile what they mean to, by hash; an import would, by time
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(epoch),
    }
    bare = Plan(
        image=Digest.of(b""),
        suite=None,
        argv=("/bin/sh", "-c", script),
        workdir="/",
        environment=environment,
        user=User(uid=0, gid=0, home="/root"),
        capabilities=(),
    )
    cpus = str(min(2, len(os.sched_getaffinity(0))))
    plan = Host(name="build", factors={"user": "root", "cpus": cpus}).apply(bare)
    skips = tuple(Denial(syscall=name, errno=0) for name in skipped)  # errno 0: the call does nothing and succeeds
    return replace(plan, environment=environment, files=(), attributes=(), denials=(*plan.denials, *skips))


def _localedef(locale: str) -> str:
    language, _, charset = locale.partition(".")
    source, _, modifier = language.partition("@")
    name = f"{source}@{modifier}" if modifier else source
    return f"localedef --no-archive -i '{name}' -f '{charset or 'UTF-8'}' '{locale}'"


def _end(outcome: Outcome, deadline: int) -> str:
    match outcome.limit:
        case Limit.DEADLINE:
            return f"they did not end within {deadline // 1000} s"
        case Limit.OUTPUT:
            return "they wrote without end"
        case Limit.OOM:
            return "they needed more memory than a build has"
        case None:
            return f"signal {outcome.signal}" if outcome.signal else f"exit {outcome.exit_code}"


def _last_words(outcome: Outcome) -> str:
    return outcome.stderr.content[-_SHOWN:].decode("utf-8", errors="replace").strip()
