"""``Policy``: what a stage demands before it takes a release, with its own copy of the hosts that it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Self

from pipeline.declare.hosts import Catalogue
from pipeline.declare.keyring_file import Role
from pipeline.declare.stage_file import AllowedIgnore, LeastFidelity, LintDemand, StageFile, Trust
from pipeline.declare.values import FlakyPolicy
from runtime.canonical import Json
from runtime.digest import Digest

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandedHost:
    """A host on which an image has to have PASSED.

    Args:
        name: what people call it.
        digest: of its levels: what is compared.
        factors: those levels that differ from the reference's.
    """

    name: str
    digest: Digest
    factors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a stage demands.

    Args:
        stage: its name.
        after: the stage in which a release has to stand; None for the first.
        is_remote: whether a registry has its images.
        trust: whose signatures count.
        platforms: of an index, the architectures that have to have the evidence.
        hosts: on each the image has to have PASSED, the reference among them.
        roles: of those who sign that; one of them is enough.
        threshold: how many different signers have to.
        max_age: how old that may be, in milliseconds; None for any age.
        fidelity: the least that any level may be.
        rebuilders: how many different signers have to have built the image again.
        unstable: how many tests may be unstable on the reference.
        flaky: whether a flaky test keeps the image out.
        hermetic: whether the suite must not have reached beyond its own network.
        lint: from which severity on a finding keeps the image out.
        ignores: which accepted differences are accepted here too; None for all.
        soak: how long the release has to have stood in the stage before, in milliseconds; None for no time.
    """

    stage: str
    after: str | None
    is_remote: bool
    trust: Trust
    platforms: tuple[str, ...]
    hosts: tuple[DemandedHost, ...]
    roles: tuple[Role, ...]
    threshold: int
    max_age: int | None
    fidelity: LeastFidelity
    rebuilders: int
    unstable: int
    flaky: FlakyPolicy
    hermetic: bool
    lint: LintDemand
    ignores: tuple[AllowedIgnore, ...] | None
    soak: int | None

    @classmethod
    def of(cls, stage: StageFile, catalogue: Catalogue) -> Self:
        """Return what the file of a stage demands.

        Args:
            stage: the file.
            catalogue: where it looks up its hosts: the tree's own copy, not what a statement says that they are.

        Raises:
            SpecError, SpecFaults, HostError: there is no such host, its file has faults, or it stands for two contents.
        """
        part = stage.policy
        hosts = [catalogue.host(name) for name in dict.fromkeys(part.hosts)]
        return cls(
            stage=stage.name,
            after=stage.after,
            is_remote=stage.is_remote,
            trust=stage.trusts,
            platforms=stage.platforms,
            hosts=tuple(DemandedHost(name=each.name, digest=each.digest, factors=each.differing) for each in hosts),
            roles=tuple(sorted(set(part.signers.roles))),
            threshold=part.signers.threshold,
            max_age=part.max_age,
            fidelity=part.fidelity,
            rebuilders=part.rebuilders,
            unstable=part.unstable,
            flaky=part.flaky,
            hermetic=part.hermetic,
            lint=part.lint,
            ignores=part.ignores,
            soak=part.soak,
        )

    @property
    def digest(self) -> Digest:
        """Over the canonical JSON of all that decides; how the stage runs an image is not in it."""
        hosts: list[Json] = [{"name": each.name, "digest": each.digest.text} for each in self.hosts]
        ignores: list[Json] | None = None
        if self.ignores is not None:
            ignores = [{"test": each.test, "host": each.host} for each in self.ignores]
        return Digest.of_json(
            {
                "format": FORMAT,
                "stage": self.stage,
                "after": self.after,
                "remote": self.is_remote,
                "trust": self.trust.value,
                "platforms": list(self.platforms),
                "hosts": hosts,
                "signers": {"roles": [each.value for each in self.roles], "threshold": self.threshold},
                "max-age": self.max_age,
                "fidelity": self.fidelity.value,
                "rebuilders": self.rebuilders,
                "unstable": self.unstable,
                "flaky": self.flaky.value,
                "hermetic": self.hermetic,
                "lint": self.lint.value,
                "ignores": ignores,
                "soak": self.soak,
            }
        )

    def allows(self, test: str, host: str) -> bool:
        """Tell whether a difference that the spec accepts is accepted here too."""
        return self.ignores is None or any(
            fnmatchcase(test, _pattern(each.test)) and fnmatchcase(host, _pattern(each.host)) for each in self.ignores
        )


def _pattern(text: str) -> str:
    """Return a pattern in which brackets mean themselves, as ids have them."""
    return text.replace("[", "[[]")
