"""Ask a server on this very machine whether it is ready.

On shared runners, HTTP_PROXY is set and NO_PROXY is not: requests to http://localhost went to the proxy, which
refused them, and the tests waited ten minutes for a server that was ready.
"""

import http.server
import os
import urllib.request


class Ready(http.server.BaseHTTPRequestHandler):
    """Says that it is ready, and writes no log."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ready")

    def log_message(self, *_):
        pass


def ask():
    """Start the server for one request, and return its answer."""
    with http.server.HTTPServer(("127.0.0.1", 0), Ready) as server:
        server.timeout = 10
        child = os.fork()
        if child == 0:
            server.handle_request()
            os._exit(0)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/health", timeout=10) as answer:
                return answer.read()
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
