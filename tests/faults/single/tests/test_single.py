import pytest

import single


def test_second_instance_is_refused():
    first = single.Instance()
    with pytest.raises(OSError, match="in use"):
        single.Instance(first.port)
    first.end()


def test_instance_is_told_by_its_port():
    first = single.Instance()
    assert single.answers(first.port)
    first.end()
    assert not single.answers(first.port)


def test_instance_says_what_it_is():
    assert single.Instance.__doc__
