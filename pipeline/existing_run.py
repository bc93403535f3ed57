"""How a suite runs in an image that exists already: a spec says nothing of its user, folder and variables, it does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.build.unpacked import trees_of
from pipeline.declare.image import AnyImage, BuiltImage, DebianPart, ExistingImage
from pipeline.declare.spec import EnvSpec
from pipeline.image_run import Wish, plan_of
from runtime.data import replace
from runtime.digest import Digest
from runtime.oci.image import Image
from runtime.oci.layout import Layout
from runtime.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the images of an environment that exist already say of a run, each as a run of it alone.

    Args:
        image: the environment's own; None where it is built.
        services: likewise by name, without those that are built.
    """

    image: Plan | None
    services: Mapping[str, Plan]

    @classmethod
    def by(cls, spec: EnvSpec, image: Digest, services: Mapping[str, Digest], store: Path) -> Self:
        """Read what the images say.

        Args:
            spec: tells which of them exist already.
            image: digest of the environment's.
            services: name → digest of its image.
            store: has all of them.

        Raises:
            ImageError: one asks for what no run has.
            StoreError: one is missing.
        """
        own = _plan(spec.image, image, store, spec.suite.command)
        plans = {
            name: _plan(each.image, services[name], store, each.command or None) for name, each in spec.services.items()
        }
        return cls(image=own, services={name: plan for name, plan in plans.items() if plan is not None})

    def declare(self, spec: EnvSpec) -> EnvSpec:
        """Return the spec with such images as ones that are built would be declared.

        Only what a run is made of is there. Users are not: theirs have other groups and homes than those of a spec.
        """
        services = {
            name: each.model_copy(update={"image": _declared(self.services[name], each.image), "command": ()})
            if name in self.services
            else each
            for name, each in spec.services.items()
        }
        return spec.model_copy(update={"image": _declared(self.image, spec.image), "services": services})

    def correct(self, plan: Plan) -> Plan:
        """Return the run of such a spec by the users whom the images name."""
        services = tuple(
            replace(each, user=self.services[each.name].user) if each.name in self.services else each
            for each in plan.services
        )
        return replace(plan, user=self.image.user if self.image else plan.user, services=services)


def _plan(image: AnyImage, digest: Digest, store: Path, command: tuple[str, ...] | None) -> Plan | None:
    if not isinstance(image, ExistingImage):
        return None
    opened = Image.open(Layout(store / "oci"), digest)
    wish = Wish(image=image.from_, levels={}, argv=_argv(opened, command), store=store)
    return plan_of(opened, trees_of(store).paths(opened.layers), wish)


def _argv(image: Image, command: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the command of a spec after the image's entry point, as engines put them together."""
    return (*image.entrypoint, *command) if command else None


def _declared(told: Plan | None, image: AnyImage) -> AnyImage:
    if told is None:
        return image
    nowhere = DebianPart.model_construct(suite="")  # of no suite: what exists is not built
    return BuiltImage.model_construct(
        debian=nowhere, env=dict(told.environment), workdir=told.workdir, entrypoint=(), command=told.argv
    )
