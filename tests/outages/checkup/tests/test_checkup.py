import contextlib

import checkup


def test_check_reaches_the_service():
    with contextlib.ExitStack() as stack:
        assert checkup.is_alive(checkup.serve(stack))


def test_service_has_a_port():
    with contextlib.ExitStack() as stack:
        assert checkup.serve(stack) > 0
