"""``mismatches``: what a container is otherwise than its image and its stage say; a pure function."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.release.targets.target import Replica, ReplicaState, Wanted
from runtime.canonical import Json
from runtime.digest import Digest
from runtime.factors.privileges import DOCKER_CAPABILITIES
from runtime.oci.descriptor import Descriptor

_OWN = frozenset({"HOME", "HOSTNAME", "LANG", "PATH", "PYTHONHASHSEED", "TERM", "container"})
"""Variables that targets give their containers by themselves."""


def identities(wanted: Wanted) -> frozenset[Digest]:
    """Return the digests by which a target may name an image: of the release, the manifest and the config."""
    config = Descriptor.parse(wanted.image.manifest.get("config"), f"config of {wanted.image.digest}")
    return frozenset({wanted.release, wanted.image.digest, config.digest})


def mismatches(wanted: Wanted, replica: Replica) -> tuple[str, ...]:
    """Return what a container is otherwise than it was meant, each as a sentence about it; empty if it is the one.

    What its target cannot tell is not compared.

    Args:
        wanted: the deployment.
        replica: as its target tells.
    """
    return tuple(f"{replica.id} {each}" for each in (*_identity(wanted, replica), *_facts(wanted, replica.facts)))


def _identity(wanted: Wanted, replica: Replica) -> Iterator[str]:
    if replica.state is not ReplicaState.RUNNING:
        yield f"is {replica.state.value}"
    if not replica.digests & identities(wanted):
        shown = ", ".join(sorted(each.short for each in replica.digests)) or "no image that could be told"
        yield f"runs {shown}, not {wanted.image.digest.short}"
    if replica.number not in (0, wanted.number):
        yield f"says that it rests on promotion {replica.number}, not on {wanted.number}"
    if replica.configuration not in (None, wanted.configuration):
        yield f"has the configuration {replica.configuration.short}, not {wanted.configuration.short}"


def _facts(wanted: Wanted, facts: Mapping[str, Json]) -> Iterator[str]:
    image = wanted.image
    argv = [*image.entrypoint, *image.command]
    if facts.get("argv", argv) != argv:
        yield f"was started by {facts['argv']}, not by {argv}"
    environment, held, mounts = facts.get("environment"), facts.get("capabilities"), facts.get("mounts")
    if isinstance(environment, Mapping):
        yield from _environment(wanted, environment)
    if "user" in facts:
        yield from _user(image.user, facts["user"])
    if held is not None:
        yield from _capabilities(held, is_root=image.user.partition(":")[0] in ("", "0", "root"))
    if isinstance(mounts, Sequence):
        paths = {str(each).partition(" ")[0] for each in mounts}
        yield from (f"has no volume at {each.to}" for each in wanted.deploy.volumes if each.to not in paths)
    if facts.get("no-new-privileges", True) is not True:
        yield "may gain privileges by programs that it starts"


def _environment(wanted: Wanted, found: Mapping[str, Json]) -> Iterator[str]:
    named = {**wanted.image.environment, **wanted.deploy.env}
    secrets = set(wanted.deploy.secret_names)
    for name in sorted(set(named) | secrets):
        if name not in found:
            yield f"has no variable {name}"
        elif name not in secrets and found[name] != Digest.of(named[name].encode("utf-8", "surrogateescape")).text:
            yield f"has another value of {name} than image and stage say"
    if others := sorted(set(found) - set(named) - secrets - _OWN):
        yield f"has variables that neither image nor stage says: {', '.join(others)}"


def _user(named: str, found: Json) -> Iterator[str]:
    """Compare who runs it, where the image says so by a number: a name means what its own accounts say."""
    wanted = named.partition(":")[0] or "0"
    if not wanted.isdecimal():
        return
    seen: set[str] = {str(found).partition(":")[0] or "0"}
    if isinstance(found, Mapping):
        uids = found.get("uids")
        seen = {str(each) for each in uids} if isinstance(uids, Sequence) else set()
    if seen != {wanted}:
        yield f"runs as {', '.join(sorted(seen))}, not as {wanted}"


def _capabilities(found: Json, *, is_root: bool) -> Iterator[str]:
    """Compare with Docker's fourteen: what may be gained at most, and what only root holds."""
    bounding = found.get("bounding") if isinstance(found, Mapping) else found
    held = found.get("held") if isinstance(found, Mapping) else ()
    if isinstance(bounding, Sequence) and (more := sorted(map(str, set(bounding) - set(DOCKER_CAPABILITIES)))):
        yield f"may have capabilities that no deployment has: {', '.join(more)}"
    if held and not is_root and isinstance(held, Sequence):
        yield f"holds capabilities, and is not root: {', '.join(map(str, held))}"
