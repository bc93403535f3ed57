"""The one tree of errors of the pipeline, below the runtime's.

PipelineError
├── SpecError                 a spec, a configuration file or a file that they name is wrong
├── LockError                 a lock cannot be read, made or trusted
│   ├── StaleLockError        a lock answers an older spec
│   ├── ResolveError          no set of packages satisfies what was asked
│   └── ArchiveError          an archive's index is unsigned, tampered with, expired or older than one seen before
├── FetchError                the bytes of a package cannot be had, or are not the locked ones
│   └── MissingError          every place that was asked says that it does not have them
├── BuildError                an image or a suite cannot be built from its lock
│   ├── PackageError          a package file breaks its format, or asks for something that is refused
│   └── NotReproducibleError  two builds of one lock differ
├── SuiteError                a suite cannot be run, or its results cannot be read
├── EvidenceError             a piece of evidence, or a keyring, is not accepted
├── KeysError                 a private key cannot be made, read or used
├── PromotionError            an image cannot enter a stage
│   ├── TagMovedError         a tag means another image by now than whoever moves it has seen
│   └── BusyStageError        another promotion into the stage is under way
├── DeployError               a deployment is refused, or was rolled back
│   └── TargetError           what runs the containers fails, or cannot be had
│       └── LeftOverError     the new containers have the traffic, and what follows that failed
└── VerifyError               a verification cannot come to a verdict
"""

from enum import StrEnum

from pipeline.declare.reasons import Reason
from runtime.errors import SeatrialError


class PipelineError(SeatrialError):
    """What a stage of the pipeline could not do.

    Args:
        message: as of every error.
        hint: likewise.
        reason: which check refused what came from elsewhere; it is shown in brackets after the message.
    """

    def __init__(self, message: str, *, hint: str = "", reason: Reason | None = None) -> None:
        super().__init__(f"{message} [{reason}]" if reason else message, hint=hint)
        self.reason: StrEnum | None = reason


class SpecError(PipelineError):
    """A spec, a configuration file or a file that they name is wrong."""


class NamedError(SpecError):
    """Something that a spec names is not there; whoever has the spec shows it at its line.

    Args:
        message: what is wrong.
        hint: the next step.
        named: the text in the spec that names it.
        key: the key below which it stands, such as ``packages``.
    """

    def __init__(self, message: str, *, hint: str = "", named: str, key: str) -> None:
        super().__init__(message, hint=hint)
        self.named = named
        self.key = key


class LockError(PipelineError):
    """A lock cannot be read, made or trusted."""


class StaleLockError(LockError):
    """A lock answers an older spec."""


class ResolveError(LockError):
    """No set of packages satisfies what was asked."""


class ArchiveError(LockError):
    """An archive's index is unsigned, tampered with, expired or older than one seen before."""


class FetchError(PipelineError):
    """The bytes of a package cannot be had, or are not the locked ones."""


class MissingError(FetchError):
    """Every place that was asked says that it does not have the file."""


class BuildError(PipelineError):
    """An image or a suite cannot be built from its lock."""


class PackageError(BuildError):
    """A package file breaks its format, or asks for something that is refused."""


class NotReproducibleError(BuildError):
    """Two builds of one lock differ."""


class SuiteError(PipelineError):
    """A suite cannot be run, or its results cannot be read."""


class EvidenceError(PipelineError):
    """A piece of evidence, or a keyring, is not accepted."""


class KeysError(PipelineError):
    """A private key cannot be made, read or used."""


class PromotionError(PipelineError):
    """An image cannot enter a stage."""


class TagMovedError(PromotionError):
    """A tag means another image by now than whoever moves it has seen."""


class BusyStageError(PromotionError):
    """Another promotion into the stage is under way."""


class DeployError(PipelineError):
    """A deployment is refused, or was rolled back."""


class TargetError(DeployError):
    """What runs the containers fails, or cannot be had."""


class LeftOverError(TargetError):
    """The new containers have the traffic, and what follows that failed: those from before are not ended."""


class VerifyError(PipelineError):
    """A verification cannot come to a verdict."""
