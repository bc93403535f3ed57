"""Print many pages, each by a program of its own."""

import os


def print_all(pages):
    """Return the exit status of each program, by its process id."""
    results = {}
    for page in pages:
        pid = os.posix_spawn("/bin/true", ["true", str(page)], os.environ)
        _, results[pid] = os.waitpid(pid, 0)
    return results
