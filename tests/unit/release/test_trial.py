"""A trial under load says something only if requests were answered."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from pipeline.declare.stage_file import DeployPart, HealthPart
from pipeline.release import scaling
from pipeline.release.deploy import RefusedDeploymentError
from pipeline.release.scaling import LEAST, Trial


@pytest.fixture
def service():
    """A service that answers after some time; its port, and what sets that."""

    class Handler(BaseHTTPRequestHandler):
        delay = 0.0

        def do_GET(self):
            time.sleep(self.delay)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port, Handler
    server.shutdown()
    thread.join()
    server.server_close()


def trial(port, said):
    deploy = DeployPart(port=port, health=HealthPart(http="/", port=80))
    return Trial(target=None, wanted=SimpleNamespace(deploy=deploy), running=frozenset(), tell=said.append)


def test_trial_passes_when_enough_requests_were_answered(service):
    port, _ = service
    said = []
    trial(port, said).verify(())
    assert int(said[-1].split()[0]) >= LEAST


def test_trial_in_which_few_requests_were_answered_is_refused(service, monkeypatch):
    port, handler = service
    handler.delay = 0.2
    monkeypatch.setattr(scaling, "_PATIENCE", 0.3)
    with pytest.raises(RefusedDeploymentError, match=r"requests were answered within 0\.3 s, and 20 have to be"):
        trial(port, []).verify(())
