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
└── VerifyError               a verification cannot come to a verdict
"""

from runtime.errors import SeatrialError


class PipelineError(SeatrialError):
    """What a stage of the pipeline could not do."""


class SpecError(PipelineError):
    """A spec, a configuration file or a file that they name is wrong."""


class NoArchitectureError(SpecError):
    """A suite of the archive has no packages for an architecture that a spec names."""


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


class VerifyError(PipelineError):
    """A verification cannot come to a verdict."""
