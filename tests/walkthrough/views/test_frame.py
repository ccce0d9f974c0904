"""404 and 405 are pages of the walkthrough, also with `DEBUG`; the API, the admin, htmx and programs get what they always got."""

from typing import Any

import pytest
from django.test import Client

from walkthrough.views import home

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
LINKS = '<nav class="top" aria-label="Pages">'


@pytest.fixture(params=[False, True], ids=["plain", "DEBUG"], autouse=True)
def _debug(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.DEBUG = request.param


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/nowhere/", "There is no page at <code>/nowhere/</code>."),
        ("/nowhere", "There is no page at <code>/nowhere</code>."),
        ("/users/nobody/suspend/", "There is no page at <code>/users/nobody/suspend/</code>."),
        ("/<script>/", "There is no page at <code>/&lt;script&gt;/</code>."),
        ("/chapters/99/", "There is no chapter 99."),
        ("/lab/?user=nobody", "&#x27;nobody&#x27; is not a user id."),
    ],
)
def test_an_unknown_address_is_a_page_with_a_sentence(client: Client, path: str, sentence: str) -> None:
    answer = client.get(path)
    html = answer.content.decode()
    assert answer.status_code == 404
    assert sentence in html
    assert LINKS in html
    assert "unsafe-inline" not in answer.headers["Content-Security-Policy"]


def test_a_button_s_address_opened_by_hand_is_a_page_too(client: Client) -> None:
    answer = client.get("/chapters/0/play/stage/")
    html = answer.content.decode()
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert "takes POST requests only, and this was GET. It belongs to a button of a page. Nothing was changed." in html
    assert LINKS in html
    answer = client.post("/chapters/")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert "takes GET, HEAD requests only, and this was POST. Nothing was changed." in answer.content.decode()


def test_others_get_what_they_always_got(client: Client) -> None:
    for path, headers, status in (
        ("/api/nowhere/", {}, 404),
        ("/admin/nowhere/", {}, 302),
        ("/nowhere/", {"Accept": "application/json"}, 404),
        ("/chapters/99/now/", {"HX-Request": "true"}, 404),
        ("/chapters/0/play/stage/", {"HX-Request": "true"}, 405),
    ):
        answer = client.get(path, headers=headers)
        assert answer.status_code == status, path
        assert LINKS not in answer.content.decode(), path
    answer = client.post("/healthz")
    assert answer.status_code == 405
    assert LINKS not in answer.content.decode()


def test_an_address_without_its_slash_still_leads_on(client: Client) -> None:
    assert client.get("/chapters").headers["Location"] == "/chapters/"


def test_an_error_in_the_code_keeps_django_s_page(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    def fails() -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(home, "_way", fails)
    answer = Client(raise_request_exception=False).get("/chapters/")
    assert answer.status_code == 500
    assert ("planted" in answer.content.decode()) == settings.DEBUG
    assert LINKS not in answer.content.decode()
