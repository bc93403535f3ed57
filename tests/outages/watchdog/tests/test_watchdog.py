import os

import watchdog


def test_first_process_is_seen():
    assert 1 in watchdog.processes()


def test_own_memory_is_known():
    assert watchdog.memory(os.getpid()) > 1000
