"""Serve the notes on every interface, until SIGTERM."""

import os
import signal
from wsgiref.simple_server import WSGIRequestHandler, make_server

from notes import app


class Quiet(WSGIRequestHandler):
    """No line per request, and no look-up of the client's name."""

    def address_string(self):
        """Return the address as it is."""
        return self.client_address[0]

    def log_message(self, *arguments):
        """Write nothing."""


def main():
    """Serve until SIGTERM, then end with 0."""
    stopped = []
    # An exception raised by the handler would be caught by wsgiref if a response is under way, and be lost.
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    with make_server("0.0.0.0", int(os.environ.get("PORT", "8000")), app, handler_class=Quiet) as server:
        server.timeout = 0.1
        print(f"listening on {server.server_port}", flush=True)
        while not stopped:
            server.handle_request()


if __name__ == "__main__":
    main()
