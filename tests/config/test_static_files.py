"""Static files in production have names with a hash, and a missing file is reported in a sentence."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.config.test_settings import PRODUCTION, python

#: Get a page, its style and its log lines, in one process. The first argument hides packages, as if they weren't installed.
ASK = """
import json, sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(), None))
import re
import django
django.setup()
from django.test import Client
client = Client(headers={"host": "localhost", "x-forwarded-proto": "https", "accept-encoding": "gzip"})
told = []
for path in ("/admin/login/", "/admin/login/"):
    page = client.get(path)
    style = re.search(r'"(/static/admin/css/base[^"]*)"', page.content.decode())[1]
    file = client.get(style)
    headers = file.headers
    told.append([page.status_code, style, file.status_code, headers.get("Cache-Control"), headers.get("Content-Encoding")])
print(json.dumps(told))
"""
CHECK = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(), None))
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "check", "--deploy"])
"""


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collected")
    done = python("manage.py", "collectstatic", "--noinput", **PRODUCTION, VAR_DIR=str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def asked(folder: Path, without: str = "") -> tuple[list[list[Any]], str]:
    done = python("-c", ASK, without, **PRODUCTION, VAR_DIR=str(folder))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def checked(folder: Path, code: int = 0, without: str = "", **environment: str) -> str:
    done = python("-c", CHECK, without, **{**PRODUCTION, "VAR_DIR": str(folder), **environment})
    assert done.returncode == code, done.stderr
    return done.stderr


def test_files_have_hashed_names_that_browsers_keep(collected: Path) -> None:
    ((page, style, file, kept, encoding), _), _ = asked(collected)
    assert (page, file, encoding) == (200, 200, "gzip")
    assert style.count(".") == 2
    assert "immutable" in kept


REMOVED = """
import os, sys
removed, remove = [], os.remove
os.remove = lambda path: (removed.append(str(path)), remove(path))
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "collectstatic", "--noinput", "--verbosity", "0"])
print(removed)
"""


def test_a_file_that_is_served_is_replaced_in_one_step(collected: Path) -> None:
    (style,) = collected.rglob("admin/css/base.*.css")
    before = style.read_bytes()
    done = python("-c", REMOVED, **PRODUCTION, VAR_DIR=str(collected))
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
    assert [path.name for path in collected.rglob("admin/css/base.*.css*")].count(style.name) == 1
    assert style.read_bytes() == before


def test_an_uncollected_file_costs_the_style_and_is_logged_once(tmp_path: Path) -> None:
    answers, log = asked(tmp_path)
    assert [(page, style, file) for page, style, file, *_ in answers] == [(200, "/static/admin/css/base.css", 404)] * 2
    assert log.count("Static files were not collected (admin/css/base.css is missing), so pages have no styles.") == 1
    assert "Run `python manage.py collectstatic --noinput`, then reload the web server." in log
    assert "Traceback" not in log


def test_the_check_counts_what_was_not_collected(collected: Path, tmp_path: Path) -> None:
    assert "no issues" not in checked(tmp_path, code=1)
    shutil.copytree(collected / "static", tmp_path / "static", copy_function=os.link)
    assert checked(tmp_path) == ""
    manifest = tmp_path / "static" / "staticfiles.json"
    text = json.loads(manifest.read_text())
    del text["paths"]["config/icon.svg"]
    manifest.unlink()
    manifest.write_text(json.dumps(text))
    said = checked(tmp_path, code=1)
    assert "(config.E001) 1 static file was not collected, for example config/icon.svg." in said
    assert "HINT: Run `python manage.py collectstatic --noinput`" in said


def test_the_check_counts_what_was_collected_with_another_content(collected: Path, tmp_path: Path) -> None:
    shutil.copytree(collected / "static", tmp_path / "static", copy_function=os.link)
    icon = tmp_path / "static" / "config" / "icon.svg"
    icon.unlink()
    icon.write_text("<svg>the one of the release before</svg>")
    assert "(config.E001) 1 static file was not collected, for example config/icon.svg." in checked(tmp_path, code=1)


def test_without_whitenoise_a_web_server_of_one_s_own_may_serve_them(collected: Path) -> None:
    ((page, style, file, *_), _), _ = asked(collected, without="whitenoise")
    assert (page, file) == (200, 404)
    assert (collected / style.removeprefix("/")).exists()
    said = checked(collected, without="whitenoise")  # a warning stops nothing
    assert "(config.W001) WhiteNoise is not installed, so this process serves no static files." in said
    assert "Run: pip install -r config/deploy/requirements.txt." in said
    assert f"Or let your web server serve /static/ from {collected / 'static'}." in " ".join(said.split())


def test_an_api_that_is_asked_past_the_proxy_is_a_warning(collected: Path) -> None:
    said = checked(collected, USERS_API_URL="", CONTEXTS="users,billing", PORT="8123")
    assert "(config.W002) billing reads from users at http://127.0.0.1:8123, but this process redirects plain HTTP" in said
    assert "HINT: Set USERS_API_URL to the https:// address of the proxy." in said
    assert said.count("config.W002") == 1
    assert checked(collected, USERS_API_URL="http://users.internal", CONTEXTS="billing") == ""  # another company's server
