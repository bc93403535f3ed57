"""A host as this machine can have it."""

import os
from collections.abc import Sequence

from runtime.data import replace
from runtime.factors.architecture import ArchitectureFactor
from runtime.host import Host
from runtime.oci.platform import own_architecture


def host_here(host: Host, architectures: Sequence[str]) -> Host:
    """Return a host as this machine can have it, which is another host digest.

    A machine with one CPU has one CPU; an image that is not there for the machine's architecture is emulated.

    Args:
        host: what was asked for.
        architectures: those that the image is there for, the first to be preferred.
    """
    here = {} if len(os.sched_getaffinity(0)) > 1 else {"cpus": "1"}
    if own_architecture() not in architectures:
        here[ArchitectureFactor.name] = architectures[0]
    # The reference writes all its levels out: one that is the default asks for nothing.
    wanted = {name: level for name, level in here.items() if name not in host.differing}
    return replace(host, factors={**host.factors, **wanted}) if wanted else host
