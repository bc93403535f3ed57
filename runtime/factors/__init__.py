"""The factors of hosts: one class a factor, and one row in this table.

The order of the table is the order of application: a factor may rely on what the rows above it did. Modules here are
loaded by the warm process too, so they import the standard library only, and little of it.
"""

from runtime.errors import FactorError
from runtime.factors.accounted import CpuQuotaFactor, MemoryFactor, ProcessesFactor
from runtime.factors.architecture import ArchitectureFactor, CpuFeaturesFactor
from runtime.factors.clock import DateFactor, UptimeFactor
from runtime.factors.culture import LocaleFactor, TimezoneFactor
from runtime.factors.factor import Factor
from runtime.factors.kernel import (
    EntropyFactor,
    InotifyFactor,
    PersonalityFactor,
    PidRangeFactor,
    UserNamespacesFactor,
)
from runtime.factors.limits import CpusFactor, LimitsFactor, OpenFilesFactor
from runtime.factors.machinery import KernelFactor, RuntimeFactor
from runtime.factors.network import DnsFactor, HostnameFactor, Ipv6Factor, LowPortsFactor, NetworkFactor
from runtime.factors.order import TestOrderFactor
from runtime.factors.path import PathFactor
from runtime.factors.preloaded import CaseSensitivityFactor, LatencyFactor, PageSizeFactor, SlowIoFactor
from runtime.factors.privileges import CapabilitiesFactor, NoNewPrivilegesFactor
from runtime.factors.process import Pid1Factor, SignalsFactor, StdinFactor, TerminalFactor
from runtime.factors.seccomp import SeccompFactor
from runtime.factors.storage import RootFilesystemFactor, ShmFactor, TmpFactor
from runtime.factors.surroundings import ColumnsFactor, EnvironmentFactor, HashSeedFactor, HomeFactor, UmaskFactor
from runtime.factors.tree import DirectoryOrderFactor, DiskFullFactor, FilesystemFactor, OverlayRenameFactor
from runtime.factors.user import UserFactor
from runtime.factors.views import CgroupViewFactor, MeminfoViewFactor, ProcViewFactor

FACTORS: tuple[Factor, ...] = (
    UserFactor(),
    CapabilitiesFactor(),
    NoNewPrivilegesFactor(),
    SeccompFactor(),
    RootFilesystemFactor(),
    TmpFactor(),
    ShmFactor(),
    MemoryFactor(),
    CpusFactor(),
    CpuQuotaFactor(),
    ProcessesFactor(),
    OpenFilesFactor(),
    LimitsFactor(),
    NetworkFactor(),
    Ipv6Factor(),
    DnsFactor(),
    HostnameFactor(),
    TimezoneFactor(),
    LocaleFactor(),
    UmaskFactor(),
    HomeFactor(),
    EnvironmentFactor(),
    TerminalFactor(),
    ColumnsFactor(),
    StdinFactor(),
    Pid1Factor(),
    SignalsFactor(),
    HashSeedFactor(),
    PathFactor(),
    ArchitectureFactor(),
    CpuFeaturesFactor(),
    RuntimeFactor(),
    KernelFactor(),
    LowPortsFactor(),
    UserNamespacesFactor(),
    InotifyFactor(),
    UptimeFactor(),
    DateFactor(),
    SlowIoFactor(),
    LatencyFactor(),
    PageSizeFactor(),
    CaseSensitivityFactor(),
    PidRangeFactor(),
    PersonalityFactor(),
    EntropyFactor(),
    ProcViewFactor(),
    MeminfoViewFactor(),
    CgroupViewFactor(),
    DiskFullFactor(),
    TestOrderFactor(),
    FilesystemFactor(),
    OverlayRenameFactor(),
    DirectoryOrderFactor(),
)

_BY_NAME = {each.name: each for each in FACTORS}


def factor(name: str) -> Factor:
    """Return the factor called ``name``.

    Raises:
        FactorError: there is none; the message names the nearest.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    from difflib import get_close_matches  # noqa: PLC0415 - only an error pays for it

    near = get_close_matches(name, _BY_NAME, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "`seatrial hosts --levels` lists the factors"
    raise FactorError(f"there is no factor {name!r}", hint=hint)
