"""The WSGI application. It disables Nagle's algorithm like the project, because each answer of `runserver` would wait 40 ms."""

from django.core.servers.basehttp import WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

WSGIRequestHandler.disable_nagle_algorithm = True
application = get_wsgi_application()
