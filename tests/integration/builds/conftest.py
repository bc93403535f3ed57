"""A workshop in a folder of its own."""

import pytest

from pipeline.build.unpacked import trees_of
from pipeline.build.workshop import Workshop
from runtime.oci.layout import Layout


@pytest.fixture
def workshop(tmp_path):
    """Return a function that opens the same workshop, as another process would."""

    def make(**options):
        return Workshop(
            layout=Layout(tmp_path / "oci"), trees=trees_of(tmp_path), records=tmp_path / "builds", **options
        )

    return make
