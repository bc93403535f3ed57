"""A user with a range of ids and one without, made once a session, with Seatrial installed as the README says."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from account import Account, made_account


@pytest.fixture(scope="session")
def ranged() -> Iterator[Account]:
    """A user to whom useradd gave a range of ids."""
    with made_account(has_range=True) as account:
        account.install()
        yield account


@pytest.fixture(scope="session")
def bare() -> Iterator[Account]:
    """A user with one id, as most containers and many machines have them."""
    with made_account(has_range=False) as account:
        account.install()
        yield account
