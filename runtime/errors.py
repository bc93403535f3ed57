"""The one tree of errors of Seatrial's runtime.

SeatrialError
├── DigestError         a digest is malformed, or content does not have the digest it should have
├── StoreError          a blob or an image is missing from a store, or a store cannot be written
├── ImageError          an image breaks its specification, or asks for something we refuse
├── FactorError         a level does not exist, or cannot be applied to this plan
├── HostError           a host configuration contradicts itself or another of the same name
└── BackendError        a backend could not start or watch a run

Every message says what failed, on which thing, got and want; ``hint`` holds the next command where there is one.
"""


class SeatrialError(Exception):
    """An error that is shown to people as its message and its hint, never as a traceback.

    Args:
        message: what failed, on which thing, what was got and what was wanted.
        hint: the next step, usually a command; empty where there is none.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class DigestError(SeatrialError):
    """A digest is malformed, or content does not have the digest it should have."""


class StoreError(SeatrialError):
    """A blob or an image is missing from a store, or a store cannot be written."""


class ImageError(SeatrialError):
    """An image breaks its specification, or asks for something that is refused."""


class FactorError(SeatrialError):
    """A level does not exist, or cannot be applied to this plan."""


class HostError(SeatrialError):
    """A host configuration contradicts itself, or another one of the same name."""


class BackendError(SeatrialError):
    """A backend could not start or watch a run."""
