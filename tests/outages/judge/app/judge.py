"""Judge a solution that consists of a server and a client.

Isolate's sandbox had a loopback interface that was down: the client could not connect to the server beside it,
"network is unreachable".
"""

import socket


def talk():
    """Have a client greet a server on localhost, and return what the server heard."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.settimeout(5)
        client.connect(server.getsockname())
        connection, _ = server.accept()
        with connection:
            client.sendall(b"hello")
            return connection.recv(5)
