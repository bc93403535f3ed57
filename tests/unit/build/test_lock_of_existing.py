import json

import pytest

from pipeline.build.lock import Existing, Lock, LockedTree, Platform, read_lock, write_lock
from pipeline.declare.errors import LockError
from runtime.digest import Digest

EXISTING = Existing(manifest=Digest.of(b"manifest"), python="3.11.2", libc="2.36")
LOCK = Lock(
    answers=Digest.of(b"spec"),
    epoch=0,
    locked=0,
    debian="",
    platforms={"amd64": Platform(image=LockedTree(existing=EXISTING), suite=LockedTree())},
)


def test_lock_of_an_existing_image_is_read_as_it_was_written(tmp_path):
    write_lock(LOCK, tmp_path / "a.lock.json")
    assert read_lock(tmp_path / "a.lock.json") == LOCK
    image = LOCK.platforms["amd64"].image
    assert (image.interpreter, image.libc, image.packages) == ("3.11.2", "2.36", ())


@pytest.mark.parametrize(
    "changed",
    [
        {"from": {"manifest": "sha256:12", "python": "", "libc": ""}},
        {"from": {"manifest": EXISTING.manifest.text, "python": ""}},
        {"from": {"manifest": EXISTING.manifest.text, "python": 3, "libc": ""}},
        {"from": {**EXISTING.to_json(), "more": ""}},
        {"from": EXISTING.to_json(), "debian": []},
        {"from": []},
    ],
)
def test_lock_of_an_existing_image_of_another_form_is_refused(changed, tmp_path):
    value = json.loads(json.dumps(LOCK.to_json()))
    value["architectures"]["amd64"]["image"] = changed
    (tmp_path / "a.lock.json").write_text(json.dumps(value))
    with pytest.raises(LockError, match=r"a\.lock\.json"):
        read_lock(tmp_path / "a.lock.json")
