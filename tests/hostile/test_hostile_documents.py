"""Crafted manifests, configs and lists: each is refused for its own reason."""

import sys
from pathlib import Path

import pytest

from runtime.oci.document import parse_document
from runtime.oci.refusal import RefusedError

sys.path.append(str(Path(__file__).parent))

from hostile_documents import DIGEST, DOCUMENTS, image


@pytest.mark.bar("7 hostile")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_hostile_document_is_refused_for_its_reason(name, tmp_path):
    with pytest.raises(RefusedError) as caught:
        DOCUMENTS[name].read(tmp_path)
    assert caught.value.reason is DOCUMENTS[name].reason
    assert str(caught.value).endswith(f"[{DOCUMENTS[name].reason}]")


def test_brackets_inside_text_are_no_depth():
    assert parse_document(b'{"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\"[[["}', "text")["a"]


def test_image_reads_what_its_config_says(tmp_path):
    run = {"User": "1000:1000", "Env": ["A=1", "B=x=y", "A=2"], "Cmd": ["x"], "ExposedPorts": {"80/tcp": {}}}
    found = image(tmp_path, {}, {"config": run | {"Labels": {"a": "b"}, "Entrypoint": None}})
    assert (found.user, dict(found.environment), found.workdir) == ("1000:1000", {"A": "2", "B": "x=y"}, "/")
    assert (found.entrypoint, found.command, found.ports, dict(found.labels)) == ((), ("x",), ("80/tcp",), {"a": "b"})
    assert (found.architecture, [each.text for each in found.diff_ids], found.is_suite) == ("amd64", [DIGEST], False)
