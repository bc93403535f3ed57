import multiprocessing
from http.server import BaseHTTPRequestHandler, HTTPServer

import mailer


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"3")

    def log_message(self, *_):
        pass


def test_waiting_messages_are_counted():
    server = HTTPServer(("127.0.0.1", 0), Service)
    child = multiprocessing.get_context("fork").Process(target=server.handle_request, daemon=True)
    child.start()
    try:
        assert mailer.waiting(server.server_port) == 3
    finally:
        child.terminate()
        server.server_close()


def test_question_is_documented():
    assert mailer.waiting.__doc__
