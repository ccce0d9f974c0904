"""What a web server hands over before any view is asked."""

import io

import pytest
from django.core.servers.basehttp import WSGIRequestHandler

from config.wsgi import application


@pytest.mark.parametrize("content_type", ["application/json; a*=foo''x", "text/plain; charset=no-such-thing", ";;;=", "a" * 5000])
def test_a_content_type_that_cannot_be_read_is_no_error_of_ours(content_type):
    statuses = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/api/users/nowhere/", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
        "CONTENT_TYPE": content_type, "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.url_scheme": "http",
    }  # fmt: skip
    answer = application(environ, lambda status, headers: statuses.append(status))  # type: ignore[arg-type]
    answer.close()
    assert statuses[0].startswith(("401", "404", "415"))


def test_the_development_server_sends_an_answers_second_piece_at_once():
    assert WSGIRequestHandler.disable_nagle_algorithm
