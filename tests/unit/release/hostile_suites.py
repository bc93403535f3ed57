"""Suites beside an image that are not what was signed."""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

import suite_world as world

from pipeline.release.refusal import Refusal
from pipeline.release.suite_artifact import KIND, QUESTION, Signed, attach_suite, bring_suite, find_question
from runtime.canonical import to_canonical_json
from runtime.digest import Digest
from runtime.oci.attached import Artifact, AttachedLayout, attach_artifact
from runtime.oci.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    reason: Refusal
    attempt: Callable[[], object]


class Ground:
    """A layout with an image, its suite beside it, and what was signed of both."""

    def __init__(self, folder):
        self.layout = Layout(Path(folder) / "oci")
        self.other = Layout(Path(folder) / "other")
        self.store = AttachedLayout(self.layout)
        self.question = world.question(self.layout)
        attach_suite(self.question, {}, self.store)
        asked = self.question.inquiry
        self.signed = Signed(
            image=asked.image,
            question=self.question.digest,
            suite=asked.suite.digest,
            normalization=self.question.normalization.digest,
        )

    def attach(self, raw):
        """Put another document beside the image, and sign its digest."""
        config = self.layout.write(raw, QUESTION)
        attach_artifact(Artifact(kind=KIND, blobs=(), annotations={}, config=config), self.signed.image, self.store)
        self.signed = replace(self.signed, question=config.digest)


def attack(reason, change, after=lambda ground: find_question(ground.signed, ground.store)):
    def attempt():
        with tempfile.TemporaryDirectory() as folder:
            ground = Ground(folder)
            change(ground)
            after(ground)

    return Attack(reason=reason, attempt=attempt)


def _document(change):
    """Return an attack that changes the document of the question, whose digest is signed."""

    def edit(ground):
        document = json.loads(ground.question.to_bytes())
        change(document)
        ground.attach(to_canonical_json(document))

    return edit


def _signed(**changes):
    def edit(ground):
        ground.signed = replace(ground.signed, **changes)

    return edit


def _another_image(ground):
    another = world.tree(ground.layout, b"\3" + b"\0" * 1023)
    plan = ground.question.inquiry.plan
    variants = tuple(replace_variant(each, another) for each in plan.variants)
    asked = replace(ground.question.inquiry, image=another, plan=replace_plan(plan, image=another, variants=variants))
    ground.attach(replace(ground.question, inquiry=asked).to_bytes())


def replace_plan(plan, **changes):
    from runtime.data import replace as changed  # noqa: PLC0415 - a plan is of another kind of dataclass

    return changed(plan, **changes)


def replace_variant(variant, image):
    return replace_plan(variant, image=image)


def _beside_another_image(ground):
    document = json.loads(ground.question.to_bytes())
    raw = to_canonical_json({**document, "name": "api"})
    config, other = ground.layout.write(raw, QUESTION), ground.question.trees[-1]
    attach_artifact(Artifact(kind=KIND, blobs=(), annotations={}, config=config), other, ground.store)
    ground.signed = replace(ground.signed, question=config.digest)


def _bring(ground):
    bring_suite(find_question(ground.signed, ground.store), ground.store, ground.other)


def _without(part):
    def remove(ground):
        ground.layout.path(part(ground)).unlink()

    return remove


SUITE_ATTACKS = {
    "evidence_that_names_no_question": attack(Refusal.SUITE_UNKNOWN, _signed(question=None)),
    "suite_that_is_not_there": attack(Refusal.SUITE_MISSING, _signed(question=Digest.of(b"another"))),
    "suite_beside_another_image": attack(Refusal.SUITE_MISSING, _beside_another_image),
    "suite_whose_question_is_gone": attack(Refusal.SUITE_MISSING, _without(lambda ground: ground.question.digest)),
    "suite_whose_tree_is_gone": attack(
        Refusal.SUITE_MISSING, _without(lambda ground: ground.question.trees[0]), _bring
    ),
    "question_that_is_no_json": attack(Refusal.JSON_SYNTAX, lambda ground: ground.attach(b"tests")),
    "question_of_nothing": attack(Refusal.SUITE_FORM, lambda ground: ground.attach(b"{}")),
    "question_with_a_key_too_many": attack(Refusal.SUITE_FORM, _document(lambda found: found.update(trusted=True))),
    "question_of_another_format": attack(Refusal.SUITE_FORM, _document(lambda found: found.update(format=2))),
    "question_that_is_indented": attack(
        Refusal.SUITE_FORM,
        lambda ground: ground.attach(json.dumps(json.loads(ground.question.to_bytes()), indent=1).encode()),
    ),
    "question_whose_tree_is_of_another_suite": attack(
        Refusal.SUITE_FORM, _document(lambda found: found["suite"].update(tree=Digest.of(b"empty").text))
    ),
    "question_with_a_service_too_few": attack(Refusal.SUITE_FORM, _document(lambda found: found.update(services=[]))),
    "question_of_another_image": attack(Refusal.SUITE_SUBJECT, _another_image),
    "suite_emptied_under_the_same_image": attack(
        Refusal.SUITE_UNSIGNED, _document(lambda found: found["suite"].update(command=["true"]))
    ),
    "suite_that_was_not_signed": attack(Refusal.SUITE_UNSIGNED, _signed(suite=Digest.of(b"another"))),
    "normalization_that_masks_everything": attack(
        Refusal.SUITE_NORMALIZATION, _document(lambda found: found["normalization"]["masks"].update(stdout=[[""]]))
    ),
}
"""Name → what is tried and the reason for which it is refused."""
