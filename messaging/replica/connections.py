"""HTTP connections to an authority. An answer may take, head and body, at most twice as long as its first byte may."""

import http.client
import io
import socket
import time
from collections.abc import Mapping
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

__all__ = ["HTTPError", "Timeout", "pool"]


class _Hurried(io.RawIOBase):
    """Read a connection until a deadline. A socket's timeout restarts at every byte, so one byte a second could go on for ever."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._sock, self._patience = raw, sock, sock.gettimeout()
        self._deadline = time.monotonic() + 2 * (self._patience or 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._patience is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(min(self._patience, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Hurried(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def pool(headers: Mapping[str, str]) -> PoolManager:
    """Return a pool that sends these headers with each request and retries none."""
    connections = PoolManager(maxsize=2, retries=False, headers=headers)
    connections.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return connections
