"""Every answer has the security headers: pages, the API's answers, refusals and errors."""

from typing import Any

import pytest
from django.test import Client
from django.views.debug import ExceptionReporter

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
PATHS = {
    "/": 200,
    "/chapters/4/": 200,
    "/admin/login/": 200,
    "/admin/": 302,
    "/api/docs/": 200,
    "/api/schema/": 200,
    "/api/users/contracts/": 200,
    "/api/users/changes/": 401,
    "/api/users/nowhere/at/all": 404,
    "/nowhere/": 404,
    "/healthz": 200,
    "/metrics": 200,
}
FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


def policy(answer: Any) -> dict[str, str]:
    lines = (line.partition(" ") for line in answer.headers["Content-Security-Policy"].split("; "))
    return {name: value for name, _, value in lines}


@pytest.mark.parametrize(("path", "status"), PATHS.items())
def test_every_answer_has_them(path: str, status: int) -> None:
    answer = Client().get(path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in FIXED} == FIXED
    assert policy(answer)["default-src"] == "'self'"
    assert policy(answer)["frame-ancestors"] == "'none'"
    assert "unsafe-inline" not in policy(answer)["script-src"]


def test_an_error_of_ours_has_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from messaging.operations import metrics

    def fails(*args: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(metrics, "exposition", fails)
    answer = Client(raise_request_exception=False).get("/metrics")
    assert answer.status_code == 500
    assert {name: answer.headers[name] for name in FIXED} == FIXED
    assert policy(answer)["object-src"] == "'none'"


def test_django_s_page_about_an_error_shows_no_password(settings: Any, monkeypatch: pytest.MonkeyPatch, rf: Any) -> None:
    """With `DEBUG=1` the page shows settings and environment, and a runserver's requests include the process's environment."""
    settings.MESSAGING = {**settings.MESSAGING, "BROKER_URL": "redis://me:open-sesame@localhost/0"}
    environment = {
        "USERS_DATABASE_URL": "postgres://me:open-sesame@localhost/users",
        "USERS_SIGNING_KEYS": "open-sesame",
        "USERS_API_TOKEN": "open-sesame",
        "SECRET_KEY": "open-sesame",
    }
    request = rf.get("/", headers={"Authorization": "Bearer open-sesame"}, **environment)
    page = ExceptionReporter(request, ValueError, ValueError("planted"), None).get_traceback_html()
    assert "USERS_DATABASE_URL" in page
    assert "BROKER_URL&#x27;" in page
    assert "open-sesame" not in page


def test_styles_in_a_page_are_for_swagger_alone() -> None:
    assert "style-src" not in policy(Client().get("/admin/login/"))
    assert policy(Client().get("/api/docs/"))["style-src"] == "'self' 'unsafe-inline'"


def test_django_s_page_about_an_error_keeps_its_styles(settings: Any) -> None:
    settings.DEBUG = True
    assert policy(Client().get("/api/nowhere/"))["style-src"] == "'self' 'unsafe-inline'"
    settings.DEBUG = False
    assert "style-src" not in policy(Client().get("/nowhere/"))
