"""The codes of refusals: each is given by some check, and written down."""

from pathlib import Path

import pytest

from pipeline.declare.errors import FetchError
from pipeline.declare.reasons import Reason
from runtime.oci.refusal import Refusal

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "reference" / "fetching.md").read_text()
SOURCES = "\n".join(
    path.read_text() for part in ("build", "registry") for path in (ROOT / "pipeline" / part).rglob("*.py")
)


@pytest.mark.parametrize("reason", Reason)
def test_reason_is_given_by_a_check_and_written_down(reason):
    assert f"Reason.{reason.name}" in SOURCES
    assert f"\n| `{reason}` | " in DOCUMENT


def test_reasons_of_packages_are_none_of_layers():
    assert not {str(each) for each in Reason} & {str(each) for each in Refusal}


def test_message_ends_with_the_reason():
    error = FetchError("it is long", reason=Reason.FILE_LONG)
    assert (error.message, error.reason) == ("it is long [file-long]", Reason.FILE_LONG)
    assert FetchError("it is long").message == "it is long"
