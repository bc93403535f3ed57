"""A registry that is away costs one wait, and the mirrors are asked."""

import hashlib
import socket
import threading

from pipeline.build.artifact import Artifact
from pipeline.build.fetch import Fetcher
from pipeline.build.sources import Sources
from pipeline.build.vendor import Vendored


def artifact(folder, name):
    (folder / name).write_bytes(name.encode())
    return Artifact(source=f"debian:{name}", size=len(name), hash=f"sha512:{hashlib.sha512(name.encode()).hexdigest()}")


def test_mirrors_have_what_a_registry_that_hangs_up_has_not(tmp_path):
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                calls.append(connection.getpeername())
                connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        reference = f"127.0.0.1:{server.getsockname()[1]}/kept@sha256:{'a' * 64}"
        wanted = [artifact(tmp_path, f"{number}.deb") for number in range(8)]
        sources = Sources(debian={"debian": (tmp_path.as_uri(),)})
        with Fetcher(tmp_path / "cache", sources, vendored=Vendored(reference)) as fetcher:
            paths = fetcher.fetch_all(wanted)
        assert [path.read_bytes().decode() for path in paths] == [each.path for each in wanted]
        assert 1 <= len(calls) <= 4  # one request, and its repetitions
        server.shutdown(socket.SHUT_RDWR)
