"""``Step``: one thing done on the way into a run; ``Sandbox``: what the steps hand to each other."""

import os
from collections.abc import Mapping
from typing import Protocol

from runtime.data import dataclass, field


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """What the steps of one run hand to each other: descriptors, never paths of this machine.

    Args:
        layers: the unpacked layers, lowest first; empty where ``tree`` is the root.
        stacked: the layers as the machine's root has stacked them; -1 where the run does so itself.
        tree: a folder that is the root itself, or catches what is written over the layers, and keeps it; -1 for none.
        work: the folder that an overlay with ``tree`` works in; -1 for none.
        volumes: folders of this machine that the run has as its own, in their order.
        devices: name in /dev → descriptor of the device on this machine.
        scratch: root of the run's private tmpfs, which holds the upper folder and small sources of mounts.
        upper: the folder that catches what the run writes, to be listed; -1 where ``tree`` does.
        root: the root of the run.
        listener: where the filter's notices of calls are received; -1 where it gives none.
        clock: nanoseconds by which the run's monotonic clock is ahead of this machine's.
    """

    layers: tuple[int, ...] = ()
    stacked: int = -1
    tree: int = -1
    work: int = -1
    volumes: tuple[int, ...] = ()
    devices: Mapping[str, int] = field(default_factory=dict)
    scratch: int = -1
    upper: int = -1
    root: int = -1
    listener: int = -1
    clock: int = 0


class Step(Protocol):
    """One thing done on the way into a run."""

    def describe(self) -> str:
        """Say what is done, in one line that depends on nothing but the step."""

    def execute(self, sandbox: Sandbox) -> None:
        """Do it, in the process that becomes the run.

        Raises:
            OSError: the kernel refused.
            BackendError: the image asks for something that is refused.
        """


def write_scratch(sandbox: Sandbox, content: bytes, mode: int = 0o444) -> int:
    """Return a descriptor of a fresh file outside the run's root, to be mounted over a file inside it."""
    name = f"source-{len(os.listdir(sandbox.scratch))}"  # noqa: PTH208 - of a descriptor
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    descriptor = os.open(name, flags, mode, dir_fd=sandbox.scratch)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    return os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=sandbox.scratch)
