"""The page “Side by side” by real requests: what it shows, what its forms do, and what it refuses."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_outbox_pattern.models import Published

from billing.models import CachedUser, Invoice
from billing.services import invoice_mark_overdue
from messaging.consumer.inbox import receive
from messaging.database.outbox_pattern import SENT, WAITING
from messaging.models import Consumer
from users.models import User
from users.services import user_erase, user_register, user_suspend
from walkthrough.observe import event_trail, side_by_side

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def user() -> User:
    return user_register(email="ada@example.org", name="Ada")


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    side_by_side._depths.clear()


def deliver(source: str, target: str) -> None:
    """What relay and worker do."""
    for row in Published.objects.using(source).filter(status=WAITING).order_by("added"):
        receive(target, [row.body])
        Published.objects.using(source).filter(pk=row.pk).update(status=SENT)


def register_consumers() -> None:
    types = [f"users.user.{what}.v1" for what in ("created", "suspended", "reactivated", "email_changed", "erased")]
    Consumer.objects.using("users").get_or_create(name="billing", defaults={"queue": "billing", "types": types})
    overdue = {"queue": "users", "types": ["billing.invoice.overdue.v1"]}
    Consumer.objects.using("billing").get_or_create(name="users", defaults=overdue)


def drifts() -> list[str]:
    return [row.drift for row in side_by_side.rows()]


def test_an_empty_page_says_what_to_do(client: Client) -> None:
    html = client.get("/side-by-side/").content.decode()
    assert "There are no users yet. Register the first one above, and watch the row arrive at billing." in html
    assert "No event is recorded yet. The first change records one." in html
    assert "http://" not in html
    assert "https://" not in html


def test_the_files_it_needs_come_with_the_packages(client: Client) -> None:
    html = client.get("/side-by-side/").content.decode()
    for name in ("walkthrough/style.css", "walkthrough/walkthrough.js", "django_htmx/htmx-2.min.js"):
        assert f"/static/{name}" in html
        assert finders.find(name)


def test_with_debug_no_script_puts_an_answer_in_the_page_s_place(client: Client, settings: Any) -> None:
    settings.DEBUG = True
    assert "django-htmx.js" not in client.get("/side-by-side/").content.decode()


def test_registering_writes_the_user_and_its_event(client: Client) -> None:
    response = client.post("/register/", {"email": "ada@example.org", "name": "Ada"}, follow=True)
    assert response.redirect_chain == [("/side-by-side/", 302)]
    assert "Ada is registered." in response.content.decode()
    assert User.objects.get().email == "ada@example.org"
    assert Published.objects.using("users").get().destination == "users.user.created.v1"


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "E-mail address: This field is required."),
        ({"email": "nobody", "name": "x"}, "E-mail address: Enter a valid email address."),
        ({"email": "a@example.org", "name": "\x00"}, "Name: Null characters are not allowed."),
        ({"email": "a@example.org", "name": "n" * 201}, "at most 200 characters"),
        ({"email": "ada@example.org", "name": "Other"}, "Another user has this e-mail address."),
    ],
)
def test_a_bad_registration_is_a_sentence(
    client: Client, user: User, values: dict[str, str], sentence: str, headers: dict[str, str]
) -> None:
    response = client.post("/register/", values, headers=headers)
    assert response.status_code == 400
    assert sentence in response.content.decode()
    assert User.objects.count() == 1


def test_suspend_reactivate_erase_change_the_row_and_record_events(client: Client, user: User) -> None:
    for action, status in (("suspend", "suspended"), ("reactivate", "active"), ("erase", "erased")):
        assert f"/users/{user.pk}/{action}/" in client.get("/side-by-side/").content.decode()
        assert client.post(f"/users/{user.pk}/{action}/").status_code == 302
        user.refresh_from_db()
        assert user.status == status
    recorded = Published.objects.using("users").order_by("added").values_list("destination", flat=True)
    assert [wire.split(".")[2] for wire in recorded] == ["created", "suspended", "reactivated", "erased"]
    assert f"/users/{user.pk}/" not in client.get("/side-by-side/").content.decode()


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_what_the_service_refuses_is_a_sentence(client: Client, user: User, headers: dict[str, str]) -> None:
    response = client.post(f"/users/{user.pk}/reactivate/", headers=headers)
    assert response.status_code == 409
    assert "Only a suspended user can be reactivated" in response.content.decode()
    assert client.post(f"/users/{uuid.uuid4()}/suspend/", headers=headers).status_code == 404
    assert client.get(f"/users/{user.pk}/suspend/", headers=headers).status_code == 405
    assert client.post("/users/nobody/suspend/", headers=headers).status_code == 404


def test_with_htmx_the_same_post_answers_with_what_changed(client: Client, user: User) -> None:
    html = client.post(f"/users/{user.pk}/suspend/", headers=HTMX).content.decode()
    assert "<html" not in html
    assert "Ada is suspended." in html
    assert "Reactivate" in html
    html = client.post("/register/", {"email": "bob@example.org", "name": "Bob"}, headers=HTMX).content.decode()
    assert 'id="register"' in html
    assert "bob@example.org" in html


def test_a_post_without_its_token_is_refused(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    refused = client.post(f"/users/{user.pk}/erase/")
    assert refused.status_code == 403
    assert "Go back, reload the page, and send the form again." in refused.content.decode()
    token = client.get("/side-by-side/").cookies["csrftoken"].value
    assert client.post(f"/users/{user.pk}/erase/", {"csrfmiddlewaretoken": token}).status_code == 302


def test_erasing_asks_on_a_page_of_its_own_and_only_a_post_erases(client: Client, user: User) -> None:
    form = re.search(
        rf'<form method="(\w+)" action="/users/{user.pk}/erase/" hx-post="[^"]*"[^>]* hx-confirm="([^"]*)"',
        client.get("/side-by-side/").content.decode(),
    )
    assert form
    assert (form[1], form[2].partition("?")[0]) == ("get", "Erase Ada for good")
    html = client.get(f"/users/{user.pk}/erase/").content.decode()
    assert "<h1>Erase Ada for good?</h1>" in html
    assert '<form method="post"' in html
    user.refresh_from_db()
    assert user.status == "active"
    assert client.post(f"/users/{user.pk}/erase/", follow=True).redirect_chain == [(reverse("walkthrough:page"), 302)]
    for gone in (user.pk, uuid.uuid4()):
        assert client.get(f"/users/{gone}/erase/").status_code == 404


def test_each_kind_of_drift_is_told(client: Client, user: User) -> None:
    assert drifts() == ["missing"]
    deliver("users", "billing")
    assert drifts() == [""]
    user_suspend(user_id=user.pk, reason="test")
    assert drifts() == ["stale"]
    deliver("users", "billing")
    assert drifts() == [""]
    CachedUser.objects.update(status="active")
    assert drifts() == ["corrupt"]
    CachedUser.objects.update(version=9)
    assert drifts() == ["ahead"]
    now = timezone.now() - timedelta(hours=1)
    CachedUser.objects.create(
        user_id=uuid.uuid4(), status="active", status_since=now, version=1, source="repair", authority_time=now, received_at=now
    )
    assert drifts() == ["ghost", "ahead"]
    html = client.get("/live/").content.decode()
    assert ">ghost<" in html
    assert ">ahead<" in html


def test_an_erased_user_is_nameless_everywhere_on_the_page(client: Client) -> None:
    user = user_register(email="zenobia@example.org", name="Zenobia")
    deliver("users", "billing")
    assert "zenobia@example.org" in client.get("/side-by-side/").content.decode()
    user_erase(user_id=user.pk)
    assert "zenobia" not in client.get("/side-by-side/").content.decode().lower()


def test_an_event_s_way_and_its_cause(user: User) -> None:
    register_consumers()
    created = event_trail.events()[0]
    assert [step.words for step in created.steps] == ["recorded", "waiting to be sent", "not yet at billing"]
    deliver("users", "billing")
    steps = event_trail.events()[0].steps
    assert [step.state for step in steps] == ["done"] * 3
    assert steps[2].words.startswith("received by billing after ")
    invoice = Invoice.objects.create(user_id=user.pk, period="2026-11", amount_minor=1, currency="EUR", user_version=1)
    invoice_mark_overdue(invoice_id=invoice.pk)
    deliver("billing", "users")
    suspended, overdue, _ = event_trail.events()
    assert (suspended.words, suspended.about, suspended.cause) == ("User suspended", "Ada", "Invoice overdue")
    assert (overdue.words, overdue.about, overdue.cause) == ("Invoice overdue", "Ada", "")


def test_the_counters(client: Client, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    body = Published.objects.using("users").get().body
    assert side_by_side.lanes()[0].waiting == "1"
    receive("billing", [body, body])
    receive("billing", ["nonsense"])
    lane = side_by_side.lanes()[0]
    assert (lane.received, lane.applied, lane.duplicate, lane.obsolete, lane.parked) == (2, 1, 1, 0, "1")
    assert lane.queued == 0
    side_by_side._depths.clear()
    monkeypatch.setattr(side_by_side.queues, "depth", lambda app, name: None)
    assert "broker unreachable" in client.get("/live/").content.decode()


def test_a_broker_that_fails_in_its_own_way_doesn_t_break_the_page(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(app: object, name: str) -> int:
        raise RuntimeError("no transport knows this")

    monkeypatch.setattr(side_by_side.queues, "depth", fail)
    response = client.get("/side-by-side/")
    assert response.status_code == 200
    assert "broker unreachable" in response.content.decode()


def test_a_poll_costs_the_same_however_many_users_there_are(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connections["users"]) as users, CaptureQueriesContext(connections["billing"]) as billing:
            assert client.get("/live/").status_code == 200
        return len(users) + len(billing)

    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            user_register(email=f"u{number}@example.org", name=f"U{number}")
        deliver("users", "billing")

    fill(0, 15)
    few = queries()
    fill(15, 45)
    assert queries() == few
    assert few <= 30
    assert len(side_by_side.rows()) == side_by_side.ROWS
