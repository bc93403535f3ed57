"""Many processes attach evidence to one image in a layout, and nothing of any of them is lost."""

import json
import subprocess
import sys
from pathlib import Path

from pipeline.release.evidence import find_evidence
from runtime.oci.attached import AttachedLayout
from runtime.oci.descriptor import MANIFEST
from runtime.oci.layout import Layout

WRITER = """
import sys
from pathlib import Path
from pipeline.release.evidence import attach_evidence
from runtime.digest import Digest
from runtime.oci.attached import AttachedLayout
from runtime.oci.layout import Layout
store = AttachedLayout(Layout(Path(sys.argv[1])))
for number in range(8):
    attach_evidence(f"{sys.argv[3]} {number}".encode(), "https://seatrial.dev/try/v1", Digest(sys.argv[2]), store, at=0)
"""


def test_no_writer_of_eight_loses_anything(tmp_path):
    layout = Layout(tmp_path / "oci")
    image = layout.write(json.dumps({"schemaVersion": 2, "mediaType": MANIFEST}).encode(), MANIFEST).digest
    command = [sys.executable, "-c", WRITER, layout.root, image.text]
    writers = [subprocess.Popen([*command, str(number)], cwd=Path(__file__).parents[3]) for number in range(8)]
    assert [each.wait() for each in writers] == [0] * 8
    found = {each.bundle.decode() for each in find_evidence(image, AttachedLayout(layout))}
    assert found == {f"{writer} {number}" for writer in range(8) for number in range(8)}
    assert layout.verify()
