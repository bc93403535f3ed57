"""Our profile beside the one that podman really uses, as Debian packages it."""

import json
from pathlib import Path

import pytest

from runtime.backends.native.seccomp import read_numbers
from runtime.backends.native.seccomp.reference import allowed_calls, neighbors

PROFILE = Path("/usr/share/containers/seccomp.json")
# containers.conf(5) of containers-common: default_capabilities
CAPABILITIES = frozenset(
    f"CAP_{name}"
    for name in (
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    )
)


def allowed(profile):
    """Return the calls that a profile in Docker's format allows, some for certain arguments only."""
    found = set()
    for rule in profile["syscalls"]:
        includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
        if (
            rule["action"] == "SCMP_ACT_ALLOW"
            and (not includes.get("caps") or set(includes["caps"]) & CAPABILITIES)
            and (not includes.get("arches") or set(includes["arches"]) & {"amd64", "arm64"})
            and not set(excludes.get("caps") or ()) & CAPABILITIES
        ):
            found |= set(rule["names"])
    return found & {name for table in read_numbers().values() for name in table}


@pytest.mark.skipif(not PROFILE.exists(), reason="golang-github-containers-common is not installed")
def test_profile_is_podmans_but_for_the_differences_that_are_explained():
    theirs, ours = allowed(json.loads(PROFILE.read_text())), allowed_calls()
    (podman,) = [each for each in neighbors() if each.name == "containers-common"]
    print(f"ours {len(ours)}, podman's {len(theirs)}, fewer {sorted(theirs - ours)}, newer {sorted(ours - theirs)}")
    assert len(theirs) == podman.allowed
    assert theirs - ours == set(podman.refused)
    assert ours - theirs == set(podman.added)
    oldest = min(table[name] for table in read_numbers().values() for name in podman.added if name in table)
    assert oldest > 448  # Linux 5.15: what it lacks and we allow is newer than what it knows
