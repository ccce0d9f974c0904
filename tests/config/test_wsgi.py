"""The WSGI application before any view runs."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.servers.basehttp import WSGIRequestHandler

from config.env import ROOT
from config.wsgi import application
from tests.running import free_port


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


def test_the_production_server_says_in_a_sentence_why_it_does_not_start(tmp_path: Path) -> None:
    """Two workers that fail at the same time would end gunicorn with its own traceback."""
    environment = {name: value for name, value in os.environ.items() if name not in ("SECRET_KEY", "GUNICORN_CMD_ARGS")}
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "config/deploy/gunicorn.conf.py"],
        cwd=ROOT,
        env={**environment, "DEBUG": "0", "PORT": str(free_port()), "VAR_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1].startswith("SECRET_KEY is not set, and DEBUG=0 needs it. Set it to a long random string")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("run/*")) == []
