"""How containers are confined: as the reference host confines the runs that were verified, where a target can.

What is verified under one confinement and runs under another was not verified. CPUs are not limited: the reference has
two of them by affinity, which names CPUs of one machine, and no quota.
"""

from runtime.factors.privileges import DOCKER_CAPABILITIES
from runtime.plan import GIB, MIB

CAPABILITIES = tuple(sorted(DOCKER_CAPABILITIES))
"""The bounding set, without ``CAP_``, in lower case."""

MEMORY = 2 * GIB
"""Bytes of memory and swap."""

PROCESSES = 4096
"""Processes and threads."""

OPEN_FILES = 1024
"""RLIMIT_NOFILE, soft and hard."""

SHARED_MEMORY = 64 * MIB
"""Bytes of /dev/shm."""

TEMPORARY = GIB
"""Bytes of /tmp, a file system of its own."""
