"""The web process for a WSGI server."""

import os
import sys
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.core.servers.basehttp import WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Request(WSGIRequest):
    """A request whose content type can't be read has an unknown one. Django fails at it before any of our code is asked."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except (ValueError, LookupError):
            meta["CONTENT_TYPE"] = "application/octet-stream"
            super()._set_content_type_params(meta)  # type: ignore[misc]


# `runserver` writes an answer's head and body apart. With Nagle's algorithm the last piece waits until the reader has acknowledged
# what came before, and readers take 40 ms for that.
WSGIRequestHandler.disable_nagle_algorithm = True

try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    print(error, file=sys.stderr)
    sys.exit(3)  # gunicorn takes it as "can't start" and ends; after any other code it would start the next worker, for ever
application.request_class = Request
