"""The admin by real requests: every list, page and action, each on its own context's database."""

import re
import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User as Login
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_outbox_pattern.models import Published, Received

from billing.models import CachedUser, Invoice
from messaging.inbox import receive
from messaging.models import Consumer
from users.models import User
from users.services import user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

CONTEXTS = ["users", "billing"]
PLUMBING = ["outbox", "inbox", "parkedmessage", "ledgerentry", "consumer", "authority"]
MODELS = [*((name, model) for name in CONTEXTS for model in PLUMBING)]
MODELS += [("users", "user"), ("billing", "cacheduser"), ("billing", "invoice")]


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(Login.objects.create_superuser("root", "root@example.org", "secret"))
    return client


@pytest.fixture
def user() -> User:
    return user_register(email="ada@example.org", name="Ada")


@pytest.fixture
def invoice(user: User) -> Invoice:
    now = timezone.now()
    CachedUser.objects.create(
        user_id=user.pk, status="active", status_since=now, version=1, source="event", authority_time=now, received_at=now
    )
    return Invoice.objects.create(user_id=user.pk, period="2026-11", amount_minor=1900, currency="EUR", user_version=1)


@pytest.fixture
def everything(user: User, invoice: Invoice) -> None:
    """A row in every table of both contexts."""
    for name in CONTEXTS:
        Consumer.objects.using(name).get_or_create(name="reader", defaults={"queue": "reader", "types": ["a"], "fields": ["b"]})
        receive(name, [{"not": "an event"}])  # parked at once
    body = dict(Published.objects.using("users").get().body)
    receive("billing", [body])
    receive("users", [_overdue(user, invoice)])
    Published.objects.using("billing").create(destination="billing.invoice.issued.v1", body={"subject": str(invoice.pk)})


def _overdue(user: User, invoice: Invoice) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "billing",
        "type": "billing.invoice.overdue.v1",
        "subject": str(invoice.pk),
        "time": timezone.now().isoformat(),
        "data": {"user_id": str(user.pk)},
        "aggregateversion": 2,
        "correlationid": "story",
    }


def act(client: Client, model: str, action: str, pks: list[Any], **more: str) -> str:
    url = reverse(f"admin:{model}_changelist")
    response = client.post(url, {"action": action, "_selected_action": [str(pk) for pk in pks], **more}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def types(context: str) -> list[str]:
    return list(Published.objects.using(context).order_by("added").values_list("destination", flat=True))


@pytest.mark.parametrize(("context", "model"), MODELS)
def test_every_list_and_page_opens(client: Client, everything: None, context: str, model: str) -> None:
    url = reverse(f"admin:{context}_{model}_changelist")
    html = client.get(url).content.decode()
    rows = re.findall(rf'href="(/admin/{context}/{model}/[^/"]+/change/[^"]*)"', html)
    assert rows, "the list shows the row that is there"
    for row in set(rows):
        assert client.get(row).status_code == 200
    page = rows[0].partition("?")[0]
    assert client.get(page.replace("change/", "history/")).status_code == 200
    assert client.get(url, {"o": "1"}).status_code == 200
    filters = set(re.findall(r'<a href="\?([^"]+)"', html))
    for query in filters:
        assert client.get(f"{url}?{query.replace('&amp;', '&')}").status_code == 200
    for text in ("ada", "x'\"%", str(uuid.uuid4()), str(uuid.uuid4())[:8], "\x00"):
        response = client.get(url, {"q": text})
        assert response.status_code == 200, text


def test_the_index_and_the_logs_of_what_was_done_open(client: Client, everything: None) -> None:
    assert client.get("/admin/").status_code == 200
    for context in CONTEXTS:
        assert client.get(f"/admin/{context}/").status_code == 200


def test_the_pattern_s_own_pages_are_gone() -> None:
    assert not admin.site.is_registered(Published)
    assert not admin.site.is_registered(Received)


@pytest.mark.parametrize(("context", "model"), [pair for pair in MODELS if pair != ("users", "user")])
def test_what_is_there_to_look_at_can_t_be_written(client: Client, everything: None, context: str, model: str) -> None:
    url = reverse(f"admin:{context}_{model}_changelist")
    assert client.get(f"{url}add/").status_code == 403
    row = re.findall(rf'href="(/admin/{context}/{model}/[^/"]+/)change/', client.get(url).content.decode())[0]
    assert client.get(f"{row}delete/").status_code == 403
    assert client.post(f"{row}change/", {"status": "active"}).status_code == 403


def test_search_by_id_finds_the_row(client: Client, user: User, invoice: Invoice) -> None:
    other = user_register(email="bob@example.org", name="Bob")
    for text in (str(user.pk), str(user.pk)[:13], "ADA@"):
        html = client.get(reverse("admin:users_user_changelist"), {"q": text}).content.decode()
        assert "ada@example.org" in html
        assert "bob@example.org" not in html
    for model, text in (("billing_cacheduser", user.pk), ("billing_invoice", user.pk), ("billing_invoice", invoice.pk)):
        found = client.get(reverse(f"admin:{model}_changelist"), {"q": str(text)}).context["cl"]
        assert [row.user_id for row in found.result_list] == [user.pk]
        assert not client.get(reverse(f"admin:{model}_changelist"), {"q": str(other.pk)}).context["cl"].result_list
    found = client.get(reverse("admin:users_outbox_changelist"), {"q": str(user.pk)}).context["cl"]
    assert [row.body["subject"] for row in found.result_list] == [str(user.pk)]
