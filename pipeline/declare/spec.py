"""``EnvSpec``: what the author of ``envs/NAME.yaml`` asks for.

Every field's text is what an editor shows while the file is written: ``pipeline.declare.schema`` makes the JSON Schema
of it.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Discriminator, Field, PrivateAttr, Tag, model_validator

from pipeline.declare.image import AnyImage, FilesEntry, NodePart, PythonPart
from pipeline.declare.inline_host import InlineHost
from pipeline.declare.values import (
    FORMAT,
    AnyText,
    Duration,
    FlakyPolicy,
    Name,
    Part,
    Port,
    Text,
    Variable,
    Whole,
    written_as,
)
from pipeline.declare.yaml_reader import Node
from runtime.canonical import Json


class ResultsFormat(StrEnum):
    """How a suite tells its results: by the pytest plug-in, as TAP on stdout, or by its exit code alone."""

    PYTEST = "pytest"
    TAP = "tap"
    EXIT = "exit"


class JUnitResults(Part):
    """Results in a JUnit XML file that the command writes."""

    junit: Text
    """The file; relative to the working folder."""


class SuiteNetwork(StrEnum):
    """What a suite may reach; ``outbound`` marks the run as not hermetic."""

    LOOPBACK = "loopback"
    OUTBOUND = "outbound"


class OutputStream(StrEnum):
    """A stream that can be behavior."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Trace(StrEnum):
    """A trace that can be made behavior."""

    FILES = "files"
    SHUTDOWN = "shutdown"


def _kind_of_results(value: object) -> str:
    return "<junit>" if isinstance(value, Mapping | JUnitResults) else "<format>"


Results: TypeAlias = Annotated[
    Annotated[ResultsFormat, Tag("<format>")] | Annotated[JUnitResults, Tag("<junit>")], Discriminator(_kind_of_results)
]
"""Where the results of a suite are found."""


class Suite(Part):
    """What only the tests need: a second locked tree, never in the image, and the command that runs them."""

    packages: tuple[Text, ...] = Field(default=(), examples=[["git"]])
    """Debian packages."""
    python: PythonPart | None = Field(default=None, examples=[{"packages": ["pytest>=8"]}])
    """Python packages; they come after the app's own paths."""
    node: NodePart | None = None
    """Packages from npm."""
    files: tuple[FilesEntry, ...] = ()
    """Files laid over the image for the run only."""
    command: Annotated[tuple[AnyText, ...], Field(min_length=1, examples=[["python3", "-m", "pytest", "-q"]])]
    """The program that runs the tests, and its arguments."""
    results: Results = ResultsFormat.PYTEST
    """How it tells its results: pytest, tap, exit or {junit: PATH}."""
    timeout: Annotated[Duration, written_as("10m")] = 600_000
    """How long one run may take."""
    artifacts: tuple[Text, ...] = Field(default=(), examples=[["out/*.json"]])
    """Glob patterns of files whose digests are behavior; relative to the working folder."""
    output: tuple[OutputStream, ...] = ()
    """Streams that are behavior."""
    behavior: tuple[Trace, ...] = ()
    """Traces that this app wants to be behavior."""
    network: SuiteNetwork = SuiteNetwork.LOOPBACK
    """What the tests may reach."""
    shadows: tuple[Text, ...] = ()
    """Modules of the image that the suite tree may shadow."""
    secrets: tuple[Variable, ...] = ()
    """Names of variables whose values come from the caller's environment; masked, never digested, never stored."""


class Ready(Part):
    """When a service is ready."""

    tcp: Port
    """It accepts connections on this port of 127.0.0.1."""
    within: Annotated[Duration, written_as("30s")] = 30_000
    """How long that may take."""


class Service(Part):
    """A service that runs beside the suite, on its loopback network."""

    image: AnyImage
    """What it runs."""
    ready: Ready | None = None
    """When it is ready; at once by default."""
    env: Mapping[Variable, AnyText] = Field(default_factory=dict)
    """Environment variables beside those of its image."""
    command: tuple[AnyText, ...] = ()
    """Instead of its image's command."""


def _kind_of_host(value: object) -> str:
    return "<host>" if isinstance(value, Mapping | InlineHost) else "<name>"


def _kind_of_hosts(value: object) -> str:
    return "<hosts>" if isinstance(value, list | tuple) else "<set>"


HostEntry: TypeAlias = Annotated[
    Annotated[Name, Tag("<name>")] | Annotated[InlineHost, Tag("<host>")], Discriminator(_kind_of_host)
]
"""A host by name, or written inline."""

Hosts: TypeAlias = Annotated[
    Annotated[Name, Tag("<set>")] | Annotated[tuple[HostEntry, ...], Field(min_length=1), Tag("<hosts>")],
    Discriminator(_kind_of_hosts),
]
"""The name of a set, or a list of hosts."""


class Accepted(Part):
    """A difference that is accepted; every use is reported."""

    test: Text = Field(examples=["tests/test_x.py::*"])
    """The test's id; * and ? match any text."""
    host: Text = Field(examples=["openshift"])
    """The host's name, or a pattern; 'reference' accepts a test that fails there."""
    reason: Text
    """Why it is accepted."""


class EnvSpec(Part):
    """An environment: an image, the suite that is asked of it, and the hosts that it is tried on."""

    seatrial: Annotated[Whole, Field(ge=1, le=FORMAT)]
    """The format of this file: 1."""
    name: Name = ""
    """The environment's name; the file's stem by default."""
    extends: Text | None = Field(default=None, examples=["_base.yaml"])
    """A file beside this one whose keys hold where this one is silent: maps are merged, lists replaced."""
    image: AnyImage
    """What production runs, and nothing else."""
    architectures: Annotated[tuple[Text, ...], Field(min_length=1)] = ("amd64",)
    """Debian's names of the architectures to lock and build."""
    suite: Suite
    """The tests, what only they need, and how they are run."""
    services: Mapping[Name, Service] = Field(default_factory=dict)
    """Run beside the suite."""
    reference: Name = "reference"
    """The host that others are compared with; always run."""
    hosts: Hosts = "standard"
    """A set, or a list of names and inline hosts."""
    flaky: FlakyPolicy = FlakyPolicy.REPORT
    """Whether a flaky test is reported or fails the verdict."""
    ignore: tuple[Accepted, ...] = ()
    """Accepted differences."""

    _path: Path = PrivateAttr(default=Path("spec.yaml"))
    _source: Node | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _unique_architectures(self) -> "EnvSpec":
        if len(set(self.architectures)) != len(self.architectures):
            raise ValueError("'architectures' names one twice")
        return self

    @property
    def path(self) -> Path:
        """The file that it was read from, as the caller named it."""
        return self._path

    @property
    def directory(self) -> Path:
        """The folder that its relative paths start from."""
        return self._path.parent

    @property
    def source(self) -> Node | None:
        """The tree of its file after ``extends``, with lines and columns; None for a spec made in memory."""
        return self._source

    @property
    def image_digest_data(self) -> Json:
        """The keys of ``image`` that the file sets, normalized; no default is filled in."""
        return _set_keys(self.image)

    @property
    def suite_digest_data(self) -> Json:
        """Likewise of ``suite``."""
        return _set_keys(self.suite)

    @property
    def services_digest_data(self) -> Json:
        """Likewise of ``services``."""
        return {name: _set_keys(service) for name, service in self.services.items()}

    def placed(self, path: Path, source: Node | None) -> "EnvSpec":
        """Return this spec as the one that was read from ``path``, named after it if it has no name."""
        spec = self.model_copy(update={} if self.name else {"name": path.stem})
        spec._path, spec._source = path, source  # noqa: SLF001 - its own
        return spec


def _set_keys(part: Part) -> Json:
    data: Json = part.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return data
