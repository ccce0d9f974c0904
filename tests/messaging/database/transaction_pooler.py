"""A small pooler in transaction mode, as pgbouncer is one: real connections of clients, which take turns on those of the server."""

import secrets
import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import pq
from psycopg.pq.abc import PGconn

#: The codes of a client's first message: it asks for encryption, or ends another client's statement.
SSL, GSS, CANCEL = 80877103, 80877104, 80877102
PARAMETERS = {"client_encoding": "UTF8", "server_version": "16.0", "standard_conforming_strings": "on", "TimeZone": "UTC"}


class Pooler:
    """Servers that are free are given out last in, first out, as pgbouncer's are unless `server_round_robin` is set."""

    def __init__(self, conninfo: str, *, session: bool = False) -> None:
        self.conninfo, self.session = conninfo, session
        self.free: deque[PGconn] = deque()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._client, args=[client], daemon=True).start()

    def _server(self) -> PGconn:
        return self.free.pop() if self.free else pq.PGconn.connect(self.conninfo.encode())

    def _client(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as messages:
            while True:
                length, code = struct.unpack("!II", messages.read(8))
                messages.read(length - 8)
                if code == CANCEL:
                    return
                if code not in (SSL, GSS):
                    break
                client.sendall(b"N")
            client.sendall(_message(b"R", struct.pack("!I", 0)))
            for name, value in PARAMETERS.items():
                client.sendall(_message(b"S", f"{name}\0{value}\0".encode()))
            # The server's process isn't known yet, and will change: a pooler makes the number up.
            client.sendall(_message(b"K", struct.pack("!II", 2**30 + secrets.randbits(20), 1)) + _message(b"Z", b"I"))
            server = None
            while (kind := messages.read(1)) not in (b"", b"X"):
                body = messages.read(struct.unpack("!I", size := messages.read(4))[0] - 4)
                server = server or self._server()
                with socket.socket(fileno=socket.dup(server.socket)) as pipe:  # type: ignore[attr-defined]
                    pipe.setblocking(True)
                    pipe.sendall(kind + size + body)
                    if kind in b"QS" and _answered(pipe, client) == b"I" and not self.session:
                        self.free.append(server)
                        server = None


def _answered(server: socket.socket, client: socket.socket) -> bytes:
    """Hand on the server's messages up to ReadyForQuery. Returns its state: b"I" if no transaction is open."""
    while True:
        kind, size = _exactly(server, 1), _exactly(server, 4)
        body = _exactly(server, struct.unpack("!I", size)[0] - 4)
        client.sendall(kind + size + body)
        if kind == b"Z":
            return body


def _exactly(pipe: socket.socket, number: int) -> bytes:
    read = b""
    while len(read) < number:
        piece = pipe.recv(number - len(read))
        assert piece, "the server ended the connection"
        read += piece
    return read


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


@contextmanager
def pooler(settings: dict[str, Any], *, session: bool = False) -> Iterator[int]:
    """Run one in front of a database of `DATABASES` during the block. Yields its port."""
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    made = Pooler(" ".join(f"{name}={settings[key]}" for name, key in names.items() if settings[key]), session=session)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made.port
    finally:
        made.listener.shutdown(socket.SHUT_RDWR)
        made.listener.close()
        thread.join(10)
        for server in made.free:
            server.finish()
