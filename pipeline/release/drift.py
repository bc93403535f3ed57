"""``drifts``: how what runs differs from what was deployed, and from what is live in the stage; a pure function."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.release.deployment import Deployment, Seen
from pipeline.release.targets.target import Replica, ReplicaState
from runtime.canonical import Json
from runtime.digest import Digest

_LIMITS = ("memory", "processes", "cpu-quota", "cpus", "limits")
_TOLD_BY = ("changed", "count")
"""What only says more of another fact."""

_NAMED = 3


class Kind(StrEnum):
    """What has drifted. The value is stable and may be matched by programs."""

    TAG = "tag moved"
    IMAGE = "image replaced"
    CONFIGURATION = "configuration changed"
    COMMAND = "command changed"
    ENVIRONMENT = "env changed"
    FILE = "file edited inside"
    MOUNT_ADDED = "mount added"
    MOUNT = "mounts changed"
    CAPABILITY_ADDED = "capability added"
    CONFINEMENT = "confinement changed"
    KERNEL = "other kernel"
    STOPPED = "replica stopped"
    UNKNOWN = "replica unknown"
    UNTOLD = "facts unknown"
    LIMITS = "limits changed"
    USER = "user changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One thing that differs.

    Args:
        kind: what.
        replica: the target's name of the container; empty where it is none of one container.
        what: a sentence that says it.
    """

    kind: Kind
    replica: str
    what: str


def drifts(record: Deployment, replicas: Sequence[Replica], live: Digest | None) -> tuple[Drift, ...]:
    """Return what differs, sorted by container.

    Args:
        record: what was deployed, and how it was seen then.
        replicas: what the target tells now.
        live: the release that is live in the stage; None where none is.
    """
    found = [*_of_tag(record, live), *_of_numbers(record, replicas)]
    for each in replicas:
        found.extend(_of_replica(record, each))
    return tuple(sorted(found, key=lambda each: (each.replica, each.kind)))


def _of_tag(record: Deployment, live: Digest | None) -> Iterator[Drift]:
    if live != record.release:
        now = "nothing is live there" if live is None else f"{live.short} is live there"
        yield Drift(
            kind=Kind.TAG, replica="", what=f"{record.release.short} was deployed from {record.stage}, and {now}"
        )


def _of_numbers(record: Deployment, replicas: Sequence[Replica]) -> Iterator[Drift]:
    names = {each.id for each in replicas}
    for name in sorted(set(record.replicas) - names):
        yield Drift(kind=Kind.STOPPED, replica=name, what="it was deployed, and is not there any more")
    for name in sorted(names - set(record.replicas)):
        yield Drift(kind=Kind.UNKNOWN, replica=name, what="it runs, and nobody deployed it")


def _of_replica(record: Deployment, replica: Replica) -> Iterator[Drift]:
    def drift(kind: Kind, what: str) -> Drift:
        return Drift(kind=kind, replica=replica.id, what=what)

    is_running = replica.state is ReplicaState.RUNNING
    if not is_running:
        yield drift(Kind.STOPPED, f"it is {replica.state.value}")
    if replica.digests and not replica.digests & record.identities:
        named = ", ".join(sorted(each.short for each in replica.digests))
        yield drift(Kind.IMAGE, f"it runs {named}, and {record.image.short} was deployed")
    elif not replica.digests and is_running:  # no deployment ends with such a one
        yield drift(Kind.IMAGE, f"its target does not tell what it runs, and {record.image.short} was deployed")
    if replica.configuration not in (None, record.configuration) or replica.number not in (0, record.number):
        yield drift(Kind.CONFIGURATION, "it says that it rests on another deployment")
    before = record.replicas.get(replica.id) or next(iter(record.replicas.values()), None)
    if before and replica.facts:
        yield from (drift(kind, what) for kind, what in _of_facts(before, replica.facts))
    elif before and before.facts and is_running:
        yield drift(Kind.UNTOLD, "its target does not tell what it is like now, and did when it was deployed")


def _of_facts(before: Seen, now: Mapping[str, Json]) -> Iterator[tuple[Kind, str]]:
    was = before.facts
    differing = [name for name in was if was[name] != now.get(name)]
    for name, tell in _TELLING.items():
        if name in differing:
            yield tell(was[name], now.get(name))
    if "files" in differing:
        yield Kind.FILE, _of_files(now)
    if changed := [name for name in differing if name in _LIMITS]:
        yield Kind.LIMITS, _named(changed, was, now)
    if changed := [name for name in differing if name not in (*_TELLING, *_LIMITS, *_TOLD_BY, "files")]:
        yield Kind.CONFINEMENT, _named(changed, was, now)


def _of_environment(before: Json, after: Json) -> tuple[Kind, str]:
    was, now = _object(before), _object(after)
    added, lost = sorted(set(now) - set(was)), sorted(set(was) - set(now))
    changed = sorted(name for name in set(was) & set(now) if was[name] != now[name])
    parts = (("new", added), ("gone", lost), ("with another value", changed))
    return Kind.ENVIRONMENT, "variables " + "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)


def _of_files(now: Mapping[str, Json]) -> str:
    paths = [str(each) for each in _items(now.get("changed"))]
    if not paths:
        return "its tree is not what it was when it was deployed"
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"its tree differs from the image otherwise than when it was deployed: {', '.join(paths[:_NAMED])}{more}"


def _of_mounts(before: Json, after: Json) -> tuple[Kind, str]:
    was, now = _items(before), _items(after)
    added = [each for each in now if each not in was]
    lost = [each for each in was if each not in now]
    paths = sorted({str(each).partition(" ")[0] for each in added or lost})
    if added and not lost:
        return Kind.MOUNT_ADDED, f"mounted since: {', '.join(paths)}"
    return Kind.MOUNT, f"mounted otherwise: {', '.join(paths)}"


def _of_capabilities(was: Json, now: Json) -> tuple[Kind, str]:
    before, after = _flat(was), _flat(now)
    if more := sorted(after - before):
        return Kind.CAPABILITY_ADDED, f"capabilities that it had not: {', '.join(more[:_NAMED])}" + (
            f" and {len(more) - _NAMED} more" if len(more) > _NAMED else ""
        )
    return Kind.CONFINEMENT, f"capabilities that it has no more: {', '.join(sorted(before - after))}"


def _flat(value: Json) -> set[str]:
    """Return the words of a list, or of all lists of an object with the keys before them."""
    if isinstance(value, Mapping):
        return {f"{key} {each}" for key, listed in value.items() for each in _items(listed)}
    return {str(each) for each in _items(value)}


def _named(names: Sequence[str], was: Mapping[str, Json], now: Mapping[str, Json]) -> str:
    parts: list[str] = []
    for name in names:
        before, after = was.get(name), now.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            parts.extend(
                f"{key} was {before[key]}, is {after.get(key)}" for key in before if before[key] != after.get(key)
            )
        else:
            parts.append(f"{name} was {before}, is {after}")
    return "; ".join(parts[:_NAMED])


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


_TELLING: Mapping[str, Callable[[Json, Json], tuple[Kind, str]]] = {
    "argv": lambda was, now: (Kind.COMMAND, f"its command was {was}, and is {now}"),
    "environment": _of_environment,
    "mounts": _of_mounts,
    "capabilities": _of_capabilities,
    "kernel": lambda was, now: (Kind.KERNEL, f"the kernel was {was}, and is {now}"),
    "user": lambda was, now: (Kind.USER, f"its user was {was}, and is {now}"),
    "given-argv": lambda was, now: (Kind.COMMAND, f"the command that it was given was {was}, and is {now}"),
    "given-environment": _of_environment,
    "given-user": lambda was, now: (Kind.USER, f"the user that it was given was {was}, and is {now}"),
}
"""The facts that are told one by one: name → what it means that it was one thing and is another."""
