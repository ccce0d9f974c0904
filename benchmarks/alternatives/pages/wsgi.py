"""The web process. Without Nagle's algorithm, as ours: with it each answer of `runserver` waits 40 ms for its reader."""

from django.core.servers.basehttp import WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

WSGIRequestHandler.disable_nagle_algorithm = True
application = get_wsgi_application()
