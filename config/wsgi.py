"""The WSGI application."""

import os
import sys
from typing import Any

from django.core.exceptions import BadRequest, ImproperlyConfigured
from django.core.handlers.wsgi import WSGIRequest
from django.core.servers.basehttp import WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


class Request(WSGIRequest):
    """Treats an unreadable content type as unknown. Django would fail before any code of the project runs."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except (ValueError, LookupError, BadRequest):  # the last from Django 6.1 on
            meta["CONTENT_TYPE"] = "application/octet-stream"
            super()._set_content_type_params(meta)  # type: ignore[misc]


# `runserver` sends an answer's head and body separately. With Nagle's algorithm the last piece waits for the acknowledgement of the
# ones before, which takes 40 ms.
WSGIRequestHandler.disable_nagle_algorithm = True

try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    print(error, file=sys.stderr)
    sys.exit(3)  # gunicorn ends; after any other code it would start the next worker, for ever
application.request_class = Request
