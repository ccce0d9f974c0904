"""Requests that are made in the authority's own process."""

from io import BytesIO

from django.core.handlers.wsgi import WSGIRequest


class LocalRequest(WSGIRequest):
    """A request of a consumer that runs in the authority's process, and needs no token. Nobody outside can make one."""

    def __init__(self, consumer: str, method: str, path: str, query: str, body: bytes) -> None:
        super().__init__(
            {
                **{"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": BytesIO(body)},
                **{"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))},
                **{"SERVER_NAME": "localhost", "SERVER_PORT": "0"},
            }
        )
        self.consumer = consumer
