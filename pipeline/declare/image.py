"""``BuiltImage`` and ``ExistingImage``: what production runs, and nothing else."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from pipeline.declare.values import (
    AnyText,
    ImagePath,
    Like,
    Mode,
    Name,
    Owner,
    Part,
    Port,
    Switch,
    Text,
    Url,
    Variable,
    Whole,
)

ROOT_TREES = ("/proc", "/sys", "/dev", "/.seatrial")
"""Where no file of an image or a suite may be laid: the run mounts over them."""


def off_the_runtime(path: str) -> str:
    """Return ``path``, of what is laid into a tree.

    Raises:
        ValueError: a run mounts its own file systems over it.
    """
    if any(path == tree or path.startswith(tree + "/") for tree in ROOT_TREES):
        raise ValueError(f"{path!r} lies where a run mounts its own file systems ({', '.join(ROOT_TREES)})")
    return path


class DebianPart(Part):
    """The Debian suite that packages come from; its name alone says the same."""

    suite: Text = Field(examples=["bookworm", "trixie"])
    """Name of the suite; its -updates and its -security belong to it."""
    mirror: Url | None = None
    """Where the archive is reached, before what this machine configures."""
    components: tuple[Text, ...] = ("main",)
    """The components to take packages from."""
    keys: Text | None = None
    """A file of OpenPGP certificates, beside the spec, that sign the archive instead of Debian's own."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: object) -> object:
        return {"suite": data} if isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Let the schema accept the name alone too."""
        schema = handler.resolve_ref_schema(handler(core))
        return {
            "anyOf": [{"type": "string", "minLength": 1, "examples": ["bookworm", "trixie"]}, schema],
            "description": schema.get("description", ""),
        }


class PythonPart(Part):
    """Python packages from PyPI, for the suite's own python3, which they imply."""

    packages: tuple[Text, ...] = Field(default=(), examples=[["croniter==6.0.0"]])
    """Requirements (PEP 508)."""
    requirements: Text | None = Field(default=None, examples=["requirements.txt"])
    """A requirements file, relative to the spec."""
    project: Text | None = Field(default=None, examples=[".."])
    """A folder with a pyproject.toml whose dependencies are wanted, relative to the spec."""
    extras: tuple[Text, ...] = ()
    """Extras of ``project``."""
    groups: tuple[Text, ...] = ()
    """Dependency groups of ``project``."""
    build_packages: tuple[Text, ...] = ()
    """Debian packages that building source distributions needs; never in the image."""

    @model_validator(mode="after")
    def _wants_something(self) -> "PythonPart":
        if (self.extras or self.groups) and self.project is None:
            raise ValueError("'extras' and 'groups' belong to a 'project', and there is none")
        return self


ExactPackage: TypeAlias = Annotated[
    str,
    Like(
        r"(@[^\s/@]+/)?[^\s/@]+@[0-9]+\.[0-9]+\.[0-9]+([+-][0-9A-Za-z.+-]+)?",
        "a package and its exact version, such as left-pad@1.3.0",
    ),
]
"""``NAME@VERSION``, with or without a scope."""


class NodePart(Part):
    """Packages from npm, for the suite's own nodejs, which they imply."""

    packages: tuple[ExactPackage, ...] = Field(default=(), examples=[["left-pad@1.3.0"]])
    """Packages and their exact versions; what they need is locked with them."""
    project: Text | None = Field(default=None, examples=[".."])
    """A folder with package.json and package-lock.json, relative to the spec."""
    dev: Switch = False
    """Whether the development dependencies of ``project`` are wanted too."""
    to: ImagePath | None = None
    """The folder that gets ``node_modules``: the working folder by default, and ``/`` for a suite."""
    skip_scripts: tuple[Text, ...] = ()
    """Packages that work without the programs that they run when they are installed: none is ever run."""

    @model_validator(mode="after")
    def _wants_something(self) -> "NodePart":
        if bool(self.packages) == (self.project is not None):
            raise ValueError("it needs either 'packages' or a 'project'")
        if self.dev and self.project is None:
            raise ValueError("'dev' belongs to a 'project', and there is none")
        return self

    @field_validator("to")
    @classmethod
    def _not_over_the_runtime(cls, path: str | None) -> str | None:
        return None if path is None else off_the_runtime(path)


class _Entry(Part):
    """What every entry of ``files`` takes."""

    to: ImagePath
    """Where it goes in the image; the file itself, or the folder whose content it becomes."""
    only: tuple[Text, ...] = ()
    """Glob patterns relative to the source; nothing else is taken."""
    owner: Owner | None = None
    """Numeric UID:GID; 0:0 by default."""
    mode: Mode | None = None
    """Octal permission bits of files; 0755 for what is executable and 0644 for the rest by default."""

    @field_validator("to")
    @classmethod
    def _not_over_the_runtime(cls, path: str) -> str:
        return off_the_runtime(path)


class LocalFiles(_Entry):
    """A file or folder beside the spec."""

    from_: Text = Field(examples=["./app"])
    """The path, relative to the spec; inside the project's tree."""


class StageFiles(_Entry):
    """A file or folder that a stage made."""

    stage: Name
    """The name of the stage."""
    from_: ImagePath
    """The path in the stage."""


class UrlFile(_Entry):
    """A file from a URL, pinned by its hash."""

    url: Url
    """Where it is fetched from."""
    sha256: Annotated[str, Like(r"[0-9a-f]{64}", "a SHA-256 in 64 hexadecimal digits")]
    """Its SHA-256 in hexadecimal digits."""
    unpack: Switch = False
    """Whether it is an archive, of tar or ZIP, whose content is wanted, with all of its folders."""

    @model_validator(mode="after")
    def _takes_a_part_of_an_archive(self) -> "UrlFile":
        if self.only and not self.unpack:
            raise ValueError("'only' takes a part of an archive: it needs 'unpack: true'")
        return self


class SdistFiles(_Entry):
    """The content of a source distribution from PyPI; its single top folder is stripped, its hash is locked."""

    sdist: Annotated[
        str, Like(r"[A-Za-z0-9._-]+==[^=\s*]+", "a project and its exact version, such as croniter==6.0.0")
    ]
    """Name and exact version."""


def _kind_of_entry(value: object) -> str:
    for key, kind in (("sdist", SdistFiles), ("url", UrlFile), ("stage", StageFiles)):
        if isinstance(value, kind) or (isinstance(value, Mapping) and key in value):
            return f"<{key}>"
    return "<local>"


FilesEntry: TypeAlias = Annotated[
    Annotated[LocalFiles, Tag("<local>")]
    | Annotated[StageFiles, Tag("<stage>")]
    | Annotated[UrlFile, Tag("<url>")]
    | Annotated[SdistFiles, Tag("<sdist>")],
    Discriminator(_kind_of_entry),
]
"""One entry of ``files``: told apart by the key ``stage``, ``url`` or ``sdist``; ``from`` alone is local."""


class Stage(Part):
    """Programs run in the sandbox without network, twice, and compared; what they make can be taken into the image."""

    packages: tuple[Text, ...] = Field(default=(), examples=[["golang-go"]])
    """Debian packages that the stage needs."""
    files: tuple[FilesEntry, ...] = ()
    """What it works on; of other stages, those above it."""
    env: Mapping[Variable, AnyText] = Field(default_factory=dict)
    """Environment variables of its commands."""
    workdir: ImagePath | None = None
    """Where its commands run: by default the folder that the first of its ``files`` goes to, and ``/`` without any."""
    run: tuple[Annotated[tuple[Text, ...], Field(min_length=1)], ...] = ()
    """Commands, in order, each a program and its arguments; the folder /out is there for what they make."""


class ImageUser(Part):
    """The plain user that the program runs as, with a passwd entry and a home."""

    name: Annotated[str, Like(r"[a-z_][a-z0-9_-]{0,31}", "a user name: lower-case letters, digits, '_' and '-'")] = (
        "app"
    )
    """Its name."""
    uid: Annotated[Whole, Field(ge=0, le=65533)] = 1000
    """Its user id, and the id of its own group."""

    @property
    def home(self) -> str:
        """The home folder."""
        return "/root" if self.uid == 0 else f"/home/{self.name}"


def _date(text: str) -> str:
    try:
        parse_epoch(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no epoch; write a date such as 2026-01-01 or seconds since 1970") from error
    return text


def parse_epoch(text: str) -> int:
    """Return the seconds since 1970 (UTC) that ``text`` names: a date, a time of ISO 8601, or the seconds themselves.

    Raises:
        ValueError: it is none of them, or lies before 1970.
    """
    if text.isascii() and text.isdigit():
        return int(text)
    when = dt.datetime.fromisoformat(text)
    seconds = int((when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp())
    if seconds < 0:
        raise ValueError("before 1970")
    return seconds


class BuiltImage(Part):
    """An image built from its lock."""

    debian: DebianPart = Field(examples=["bookworm", "trixie"])
    """The Debian suite that it is made of."""
    packages: tuple[Text, ...] = Field(default=(), examples=[["tzdata"]])
    """Debian packages, beside what the rest implies."""
    python: PythonPart | None = None
    """Python packages."""
    node: NodePart | None = None
    """Packages from npm."""
    stages: Mapping[Name, Stage] = Field(default_factory=dict)
    """Compilations whose results are taken by ``files``."""
    files: tuple[FilesEntry, ...] = ()
    """Files laid into the image, in order."""
    locales: tuple[Text, ...] = Field(default=(), examples=[["en_US.UTF-8"]])
    """Locales to compile, beside C and C.UTF-8."""
    user: ImageUser = ImageUser()
    """Who runs the program."""
    env: Mapping[Variable, AnyText] = Field(default_factory=dict)
    """Environment variables of the image."""
    workdir: ImagePath = "/"
    """The working folder."""
    entrypoint: tuple[AnyText, ...] = ()
    """The program and its first arguments."""
    command: tuple[AnyText, ...] = ()
    """The program, or the arguments of the entrypoint."""
    ports: tuple[Port, ...] = ()
    """TCP ports that the program listens on."""
    labels: Mapping[Text, AnyText] = Field(default_factory=dict)
    """Labels of the image."""
    epoch: Annotated[Text, AfterValidator(_date)] | None = Field(default=None, examples=["2026-01-01"])
    """No time in the image is later; by default the newest one inside the locked packages."""


class ExistingImage(Part):
    """An image that exists already; it is never rebuilt."""

    from_: Text = Field(examples=["registry.example.org/app@sha256:…", "oci:DIR"])
    """A registry's reference, oci:DIR, docker-archive:FILE or docker-daemon:NAME; the lock pins a tag."""


def _kind_of_image(value: Any) -> str:  # noqa: ANN401 - what pydantic hands over
    existing = isinstance(value, ExistingImage) or (
        isinstance(value, Mapping) and ("from" in value or "from_" in value)
    )
    return "<from>" if existing else "<built>"


AnyImage: TypeAlias = Annotated[
    Annotated[BuiltImage, Tag("<built>")] | Annotated[ExistingImage, Tag("<from>")], Discriminator(_kind_of_image)
]
"""An image to build, or one that exists: told apart by the key ``from``."""
