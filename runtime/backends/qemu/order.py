"""What the client tells the guest about a run."""

from collections.abc import Mapping

from runtime.data import dataclass
from runtime.digest import Digest
from runtime.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestOrder:
    """A run to start.

    Args:
        plan: what to carry out.
        disks: digest of a manifest → numbers of the disks of its layers, the lowest first.
        heard: whether stdout, and stderr, are sent as they come.
    """

    plan: Plan
    disks: Mapping[Digest, tuple[int, ...]]
    heard: tuple[bool, bool] = (False, False)
