"""``read_stage``: what a stage demands of an image before it enters, and how it runs there, as a file."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from pipeline.declare.faults import SpecFaults
from pipeline.declare.keyring_file import Role
from pipeline.declare.validate import place_of, validate
from pipeline.declare.values import (
    FORMAT,
    AnyText,
    Duration,
    FlakyPolicy,
    ImagePath,
    Like,
    Name,
    Part,
    Port,
    Switch,
    Text,
    Variable,
    Whole,
    written_as,
)
from pipeline.declare.yaml_reader import read_yaml

Architecture = Annotated[str, Like(r"[a-z0-9]+", "an architecture in Go's words, such as amd64 or arm64")]
"""What an image of an index is for; the system is Linux."""

Argv = Annotated[tuple[AnyText, ...], Field(min_length=1)]
"""A command and its arguments."""


class Trust(StrEnum):
    """Whose signatures a stage believes."""

    LOCAL = "local"
    """The key of this machine alone."""
    KEYRING = "keyring"
    """The keys of ``specs/keyring.json``."""


class LeastFidelity(StrEnum):
    """The least that a level of a demanded host may be."""

    NATIVE = "native"
    EMULATED = "emulated"
    ADVISORY = "advisory"


class LintDemand(StrEnum):
    """Which findings of lint keep an image out."""

    NONE = "none"
    WARNING = "warning"
    ERROR = "error"


class TargetKind(StrEnum):
    """What runs the containers of a stage."""

    NATIVE = "native"
    DOCKER = "docker"
    COMPOSE = "compose"
    PODMAN = "podman"
    KUBERNETES = "kubernetes"


class SignersPart(Part):
    """Who has to have signed what is demanded."""

    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=len(Role))] = (Role.VERIFIER,)
    """What their keys may sign; one of them is enough."""
    threshold: Annotated[Whole, Field(ge=1, le=16)] = 1
    """How many different signers: a key and the one that took its place are one."""


class AllowedIgnore(Part):
    """A difference that a spec accepts, and this stage too."""

    test: Text
    """A pattern of test ids."""
    host: Text
    """A pattern of hosts' names."""


class PolicyPart(Part):
    """What a stage demands of an image."""

    hosts: Annotated[tuple[Name, ...], Field(min_length=1)]
    """On each of them the image has PASSED, by a statement for this very manifest; the reference among them."""
    signers: SignersPart = SignersPart()
    """Who has to have signed that."""
    max_age: Duration | None = None
    """How old the statement may be; null for any age."""
    fidelity: LeastFidelity = LeastFidelity.EMULATED
    """The least that any level of a demanded host may be."""
    rebuilders: Annotated[Whole, Field(ge=0, le=16)] = 0
    """How many different signers have to have said that they built the same image again."""
    unstable: Annotated[Whole, Field(ge=0)] = 0
    """How many tests may be unstable on the reference."""
    flaky: FlakyPolicy = FlakyPolicy.REPORT
    """Whether a flaky test keeps the image out."""
    hermetic: Switch = True
    """Whether the suite must not have reached beyond its own network."""
    lint: LintDemand = LintDemand.NONE
    """From which severity on a finding of lint in the image keeps it out."""
    ignores: tuple[AllowedIgnore, ...] | None = None
    """Which accepted differences are accepted here too; null for all, an empty list for none."""
    soak: Duration | None = None
    """How long the image has to have stood in the stage before."""


class VolumePart(Part):
    """Data that outlives every container: never deleted, never rolled back."""

    name: Name
    """What it is called on the target."""
    to: ImagePath
    """Where the containers have it."""


class HealthPart(Part):
    """When a container is ready for traffic."""

    http: Annotated[str, Like(r"/[^\s\x00]*", "a path that begins with '/'")] | None = None
    """A path that answers 200 to 399; null where a connection is enough."""
    port: Port
    """The container's TCP port."""
    within: Annotated[Duration, written_as("30s")] = 30_000
    """How long the first answer may take."""


class SecretPart(Part):
    """A secret whose value a file or a program has."""

    name: Variable
    """The variable."""
    file: Text | None = None
    """Has the value; seen from this file's folder, or from the home where it begins with ``~/``; closed to others."""
    command: Argv | None = None
    """Writes the value; run in this file's folder, without a shell."""

    @model_validator(mode="after")
    def _has_one_place(self) -> "SecretPart":
        if (self.file is None) == (self.command is None):
            raise ValueError("a secret is in one place: write `file` or `command`, or its name alone for a variable")
        return self


def _kind_of_secret(value: object) -> str:
    return "<place>" if isinstance(value, Mapping | SecretPart) else "<name>"


SecretEntry: TypeAlias = Annotated[
    Annotated[Variable, Tag("<name>")] | Annotated[SecretPart, Tag("<place>")], Discriminator(_kind_of_secret)
]
"""A secret by its name, or with where its value is."""


class DeployPart(Part):
    """How a stage runs an image. All but the values of secrets, and where these are, is digested."""

    target: TargetKind = TargetKind.NATIVE
    """What runs the containers."""
    replicas: Annotated[Whole, Field(ge=1, le=256)] = 1
    """How many containers."""
    port: Port | None = None
    """The port of this machine, or of the cluster's service, that leads to the containers; null for none."""
    env: Mapping[Variable, AnyText] = Field(default_factory=dict)
    """Variables over those of the image."""
    secrets: tuple[SecretEntry, ...] = ()
    """Variables whose values are never stored, never digested: from the environment of whoever deploys, where a name
    stands alone, else from a file or a program."""
    volumes: tuple[VolumePart, ...] = ()
    """Data that outlives the containers."""
    before: Argv | None = None
    """Runs once from the new image before it gets traffic; its failure stops the deployment."""
    health: HealthPart | None = None
    """When a container is ready; null: as soon as it runs."""
    smoke: Argv | None = None
    """Runs beside a new container before it gets traffic; its failure rolls the deployment back."""

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The names of the secrets."""
        return tuple(each.name if isinstance(each, SecretPart) else each for each in self.secrets)

    @model_validator(mode="after")
    def _has_each_secret_once(self) -> "DeployPart":
        twice = sorted({each for each in self.secret_names if self.secret_names.count(each) > 1})
        if twice:
            raise ValueError(f"the secret {twice[0]} stands there twice")
        return self


class StageFile(Part):
    """A stage: what enters it, where its images are, and how they run."""

    seatrial: Annotated[Whole, Field(ge=1, le=FORMAT)]
    """The format of this file: 1."""
    name: Name
    """How people call it."""
    after: Name | None = None
    """The stage in which an image has to stand before; null for the first."""
    store: Text | None = None
    """A repository of a registry to which the app's name is added, or ``oci:DIR``; null: a layout of this machine."""
    trust: Trust | None = None
    """Whose signatures count; null: the keyring where a registry is the store, this machine's key otherwise."""
    platforms: Annotated[tuple[Architecture, ...], Field(min_length=1)] = ("amd64",)
    """Of an index, which architectures have to have the evidence."""
    policy: PolicyPart
    """What it demands."""
    deploy: DeployPart | None = None
    """How it runs an image; null: it does not."""

    @property
    def is_remote(self) -> bool:
        """Whether a registry has its images."""
        return self.store is not None and not self.store.startswith("oci:")

    @property
    def trusts(self) -> Trust:
        """Whose signatures count."""
        return self.trust or (Trust.KEYRING if self.is_remote else Trust.LOCAL)

    @model_validator(mode="after")
    def _can_be_entered(self) -> "StageFile":
        if self.is_remote and self.trust is Trust.LOCAL:
            raise ValueError("a stage in a registry cannot trust the key of one machine; write `trust: keyring`")
        if self.trusts is Trust.LOCAL and max(self.policy.signers.threshold, self.policy.rebuilders) > 1:
            raise ValueError("this machine has one key, and several signers are wanted; write `trust: keyring`")
        if "reference" not in self.policy.hosts:
            raise ValueError("the policy's hosts do not name the reference, which every other is compared with")
        return self


def read_stage(path: Path) -> StageFile:
    """Return the stage in the file ``path``.

    Raises:
        SpecFaults: every fault in it.
    """
    node = read_yaml(path)
    found = validate(StageFile, node, lambda _: False)
    if found.name != path.stem:
        message = f"the name is {found.name!r}, and the file is {path.name}"
        raise SpecFaults([place_of(node, ("name",)).fault(message, f"write {path.stem!r}, or rename the file")])
    return found
