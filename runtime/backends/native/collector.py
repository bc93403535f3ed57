"""Read what a run left behind, after its last process: results, artifacts, changed paths.

It runs in a process of its own inside the namespaces of the dead run: it sees what the program saw, and no path of
this machine can be reached from there, whatever links the program left.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence

from runtime.backends.native import processes
from runtime.backends.native.changes import ManyPathsError, Mark, changed_if_few, changed_paths
from runtime.backends.native.idmap import IdMap
from runtime.backends.texts import LONGEST, Texts
from runtime.canonical import to_text
from runtime.data import dataclass, field
from runtime.errors import BackendError
from runtime.plan import MIB, Plan

_MOST_RESULTS = 64 * MIB
_MOST_ENTRIES = 200_000
_MOST_ARTIFACTS = 10_000
_MOST_BYTES = 4 << 30  # of one artifact: as much as a run may write; a sparse file can say more


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """Descriptors that outlive a run.

    Args:
        user_namespace: to enter, for the ids of the files.
        mount_namespace: to enter, for the tree as the program saw it.
        before: a file that holds the marks of the upper folder before the program began.
        upper: the folder that caught what was written; -1 where the tree was written in place.
        layers: the layers under it.
        root: the root of the run where it is not that of the mount namespace; -1 where it is.
    """

    user_namespace: int
    mount_namespace: int
    before: int
    upper: int
    layers: tuple[int, ...]
    root: int = -1

    def close(self) -> None:
        """Let the kernel forget the run's namespaces and mounts."""
        for each in (self.user_namespace, self.mount_namespace, self.before, self.upper, self.root, *self.layers):
            if each >= 0:
                os.close(each)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found. Digests are text, as the warm process knows no more of them.

    Args:
        results: the content of the results' file.
        artifacts: path → digest.
        texts: path → content of short ones that are text.
        changed: absolute paths.
        error: why the artifacts, which are behavior, cannot be told; empty if they can.
    """

    results: bytes | None = None
    artifacts: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    error: str = ""


def collect_at_once(plan: Plan, remains: Remains, id_map: IdMap) -> Findings | None:
    """Read what a dead run left without entering anything, if the plan asks for no file and there is little to read.

    Only names and attributes below descriptors are looked at, no link is followed and no file opened: that may be done
    with the rights of this machine, too.
    """
    if plan.results or plan.artifacts or remains.root >= 0:
        return None
    if remains.upper < 0:
        return Findings(artifacts={})
    try:
        before = read_marks(remains.before)
        changed = changed_if_few(remains.upper, remains.layers, before, id_map.inside)
    except (ManyPathsError, OSError):
        return None
    return Findings(artifacts={}, changed=changed)


def collect(plan: Plan, remains: Remains, *, parent: int) -> Findings:
    """Enter the namespaces of a dead run and read what the plan asks for; this process ends with its parent."""
    processes.enter(remains.user_namespace, processes.CLONE_NEWUSER)
    processes.become(0, 0, ())
    processes.die_with_parent(parent)
    processes.enter(remains.mount_namespace, processes.CLONE_NEWNS)
    if remains.root >= 0:
        os.fchdir(remains.root)
        os.chroot(".")
    changed: tuple[str, ...] = ()
    if remains.upper >= 0:
        changed = changed_paths(remains.upper, remains.layers, read_marks(remains.before))
    artifacts, texts, error = {}, Texts(), ""
    try:
        artifacts = dict(_artifacts(plan.workdir, plan.artifacts, texts)) if plan.artifacts else {}
    except BackendError as refused:
        error = refused.message
    return Findings(
        results=_read_regular(plan.results) if plan.results else None,
        artifacts=artifacts,
        texts=texts.kept,
        changed=changed,
        error=error,
    )


def write_marks(marks: Mapping[str, Mark]) -> int:
    """Return a descriptor of an anonymous file that holds the marks."""
    descriptor = os.memfd_create("seatrial-before")
    with os.fdopen(os.dup(descriptor), "wb") as stream:
        stream.write(json.dumps(marks).encode())
    return descriptor


def read_marks(descriptor: int) -> dict[str, Mark]:
    """Read the marks back."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return {path: tuple(mark) for path, mark in json.loads(stream.read()).items()}


def pattern_of(glob: str) -> re.Pattern[str]:
    """Return a pattern for whole relative paths: ``*`` and ``?`` stay within a folder, ``**`` crosses folders."""
    text = ""
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[[^]]+\]|[^*?\[]+|\[", glob):
        match token:
            case "**/":
                text += "(?:[^/]+/)*"
            case "**":
                text += ".*"
            case "*":
                text += "[^/]*"
            case "?":
                text += "[^/]"
            case _ if token.startswith("[") and len(token) > 1:
                members = token[1:-1].replace("\\", r"\\")
                text += f"[^{members[1:]}]" if members.startswith("!") else f"[{members}]"
            case _:
                text += re.escape(token)
    return re.compile(text, re.DOTALL)


def _artifacts(workdir: str, globs: Sequence[str], texts: Texts) -> Iterator[tuple[str, str]]:
    patterns = [pattern_of(each) for each in globs]
    found = 0
    for path in _files(workdir):
        if any(each.fullmatch(path) for each in patterns):
            name = to_text(os.fsencode(path))
            digest = _digest(f"{workdir.rstrip('/')}/{path}", name, texts)
            found += bool(digest)
            if found > _MOST_ARTIFACTS:
                raise BackendError(f"more than {_MOST_ARTIFACTS:,} files are artifacts")
            if digest:
                yield name, digest


def _files(workdir: str) -> Iterator[str]:
    """Yield relative paths of what is no folder, in order; not by recursion, as a run makes any depth."""
    seen = 0
    start = len(workdir.rstrip("/")) + 1
    waiting = [workdir]
    while waiting:
        folder = waiting.pop()
        inner = []
        for name, is_folder in _listed(folder):
            seen += 1
            if seen > _MOST_ENTRIES:
                raise BackendError(f"artifacts are looked for among {_MOST_ENTRIES:,} files at most, in {workdir}")
            path = f"{folder.rstrip('/')}/{name}"
            if not is_folder:
                yield path[start:]
            elif path not in ("/proc", "/sys", "/dev"):
                inner.append(path)
        waiting.extend(reversed(inner))


def _listed(folder: str) -> list[tuple[str, bool]]:
    """Return names and whether each is a folder, sorted; nothing of a folder that cannot be opened, as too deep."""
    try:
        with os.scandir(folder) as found:
            return sorted((each.name, each.is_dir(follow_symlinks=False)) for each in found)
    except OSError:
        return []


def _open_regular(path: str) -> int:
    """Open a regular file, -1 if it is none: no link at the end, no device, and no pipe that would never answer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return -1


def _read_regular(path: str) -> bytes | None:
    descriptor = _open_regular(path)
    if descriptor < 0:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(_MOST_RESULTS)


def _digest(path: str, shown: str, texts: Texts) -> str:
    descriptor = _open_regular(path)
    if descriptor < 0:
        return ""
    found = os.fstat(descriptor)
    if found.st_size > _MOST_BYTES:
        os.close(descriptor)
        name = to_text(os.fsencode(path))
        raise BackendError(f"the artifact {name} has {found.st_size:,} bytes; {_MOST_BYTES:,} are read at most")
    with os.fdopen(descriptor, "rb") as stream:
        if found.st_size > LONGEST:
            return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
        content = stream.read(LONGEST)
    texts.add(shown, content)
    return "sha256:" + hashlib.sha256(content).hexdigest()
