"""A server in front of the authority's API that changes its answers, like a proxy, a fault or a hostile program."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3


@dataclass
class Answer:
    """An answer: `pieces` are sent one after the other while the client reads, without a length if there is none."""

    pieces: Iterator[bytes]
    length: int | None = None
    encoding: str = ""
    status: int = 200


Bend = Callable[[str, bytes], Answer]


def body(raw: bytes, encoding: str = "", status: int = 200) -> Answer:
    return Answer(iter([raw]), len(raw), encoding, status)


def packed(raw: bytes) -> Answer:
    return body(gzip.compress(raw), "gzip")


@dataclass
class Bent:
    """`bend` gets a path and the real answer's JSON, for paths that contain `where`."""

    url: str
    real: str
    where: str = "/"
    bend: Bend = field(default=lambda path, raw: body(raw))
    asked: list[str] = field(default_factory=list)

    def say(self, raw: bytes, where: str = "/") -> None:
        """Answer every request with this."""
        self.where, self.bend = where, lambda path, real: body(raw)

    def change(self, where: str, **values: object) -> None:
        """Add these keys to the real answer, or replace them."""
        self.where, self.bend = where, lambda path, real: body(json.dumps({**json.loads(real), **values}).encode())


@contextmanager
def bent(real: str) -> Iterator[Bent]:
    pool = urllib3.PoolManager(retries=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._forward(None)

        def do_POST(self) -> None:
            self._forward(self.rfile.read(int(self.headers["Content-Length"])))

        def _forward(self, asked: bytes | None) -> None:
            server.asked.append(self.path)
            headers = {name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers}
            found = pool.request(self.command, server.real + self.path, body=asked, headers=headers)
            answer = body(found.data, status=found.status)
            if found.status == 200 and server.where in self.path:
                answer = server.bend(self.path, found.data)
            self.send_response(answer.status)
            if answer.length is not None:
                self.send_header("Content-Length", str(answer.length))
            if answer.encoding:
                self.send_header("Content-Encoding", answer.encoding)
            self.end_headers()
            try:
                sent = sum(self.wfile.write(piece) for piece in answer.pieces)
                self.close_connection = sent != answer.length
            except OSError:
                self.close_connection = True  # the client has gone

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = Bent(f"http://127.0.0.1:{http.server_port}", real)
        running = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        running.start()
        try:
            yield server
        finally:
            http.shutdown()
            running.join()
            pool.clear()
