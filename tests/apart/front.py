"""A proxy before a web server, as production has one."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def https(port: int) -> ThreadingHTTPServer:
    """What speaks HTTPS in front of a web server, and says so; here it only says so."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            behind = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                behind.request(self.command, self.path, body, {**dict(self.headers), "X-Forwarded-Proto": "https"})
                found = behind.getresponse()
                content = found.read()
            except OSError:
                self.send_error(502)
                return
            finally:
                behind.close()
            self.send_response(found.status)
            for name, value in found.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "content-length", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
