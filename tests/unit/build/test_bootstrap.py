"""Which packages of a stratum are unpacked before dpkg is started."""

import os
from pathlib import Path

from pipeline.build import bootstrap
from pipeline.build.left_out import PACKAGES
from pipeline.build.strata import PLAIN, Stratum


def test_only_the_first_stage_is_unpacked_before_anything_is_configured(tmp_path, monkeypatch):
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bootstrap, "unpack_over", lambda _root, _below, paths, **_: seen.extend(paths))
    stratum = Stratum(name=PLAIN, stages=(("a", "b"), ("c",)))
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        bootstrap._unpack_over(stratum, 0, descriptor)
    finally:
        os.close(descriptor)
    assert seen == [Path(PACKAGES) / "a.deb", Path(PACKAGES) / "b.deb"]
