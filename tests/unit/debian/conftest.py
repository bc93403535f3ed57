import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pysequoia
import pytest

sys.path.append(str(Path(__file__).parents[2] / "simulators"))

from debian_archive import NOW, Archive

from pipeline.build.artifact import LockedPackage
from pipeline.build.ecosystems.debian.archive import DebianRequest
from pipeline.build.ecosystems.debian.lock import lock_debian
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import Sources

Lock = Callable[..., dict[str, LockedPackage]]


@pytest.fixture(scope="session")
def secret() -> "pysequoia.Tsk":
    return pysequoia.Tsk.generate("Test archive <test@example.org>")


@pytest.fixture
def archive(tmp_path: Path, secret: "pysequoia.Tsk") -> Archive:
    return Archive(tmp_path / "mirror", secret)


@pytest.fixture
def fetcher(tmp_path: Path, archive: Archive) -> Iterator[Fetcher]:
    bases = {name: ((archive.folder / name).as_uri(),) for name in ("debian", "debian-security")}
    with Fetcher(tmp_path / "cache", Sources(debian=bases), pause=lambda _: None) as opened:
        yield opened


@pytest.fixture
def lock(archive: Archive, fetcher: Fetcher) -> Lock:
    """Lock packages of the archive; the result is by name."""

    def run(*packages: str, publish: bool = True, keys: tuple[bytes, ...] | None = None, **more: object):
        if publish:
            archive.publish()
        request = DebianRequest(
            suite="bookworm",
            packages=packages,
            architecture="amd64",
            mirror=archive.mirror,
            keys=(archive.key,) if keys is None else keys,
        )
        options = {"now": NOW} | more
        return {one.name: one for one in lock_debian(request, fetcher, **options)}

    return run
