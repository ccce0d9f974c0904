"""The login page names the login and the password's file, only with DEBUG, and never the password."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from config import env
from config.runner import readiness
from config.templatetags import login_help

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "var" / "admin-password"
    path.parent.mkdir()
    monkeypatch.setattr(readiness, "ROOT", tmp_path)
    monkeypatch.setattr(login_help, "PASSWORD_FILE", path)
    return path


def page() -> str:
    return Client().get("/admin/login/").content.decode()


def test_it_names_the_login_and_the_file_with_the_password(file: Path, settings: Any) -> None:
    settings.DEBUG = True
    file.write_text("open-sesame\n")
    html = page()
    assert "Log in as <code>admin</code>. The password is in the file <code>var/admin-password</code>." in html
    assert html.count("Log in as") == 1
    assert "open-sesame" not in html
    assert str(env.ROOT) not in html


def test_without_the_file_it_says_how_to_make_a_login(file: Path, settings: Any) -> None:
    settings.DEBUG = True
    html = page()
    assert "<code>python manage.py createsuperuser</code>" in html
    assert "admin-password" not in html


def test_without_debug_it_says_nothing(file: Path, settings: Any) -> None:
    settings.DEBUG = False
    file.write_text("open-sesame\n")
    html = page()
    assert 'id="login-help"' not in html
    assert "admin-password" not in html
    assert "createsuperuser" not in html
