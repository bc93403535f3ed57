"""Debian's docker-registry, started on loopback."""

import contextlib
import socket
import subprocess
import time
from http.client import HTTPConnection

from engines import program_of


@contextlib.contextmanager
def started_registry(folder, more=""):
    """Start one whose files lie in a folder, with more lines of configuration; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = f"""version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: 127.0.0.1:{port}}}
{more}"""
    (folder / "config.yml").write_text(config)
    server = subprocess.Popen(
        [program_of("docker-registry"), "serve", folder / "config.yml"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait(port):
    for _ in range(100):
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/v2/")
            assert connection.getresponse().status in {200, 401}
        except OSError:
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()
    raise AssertionError("the registry does not answer")
