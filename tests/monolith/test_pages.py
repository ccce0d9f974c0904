"""The monolith's page and its admin, which saves a user and the invoices in one transaction."""

import re

import pytest
from django.contrib.auth.models import User as Login
from django.test import Client
from django.urls import reverse

from messaging.models import Consumer
from monolith import services
from monolith.models import Invoice, User
from monolith.views import page

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def client():
    client = Client()
    client.force_login(Login.objects.create_superuser("root", "root@example.org", "secret"))
    return client


@pytest.fixture
def user():
    user = services.register(email="ada@example.org", name="Ada <b>")
    services.generate_invoices("2026-11")
    return user


def form(user, invoice, **changed):
    """Return the user's admin form as a browser sends it, with the invoice's row."""
    values = {
        "email": user.email, "name": user.name, "status": user.status, "suspension_reason": user.suspension_reason,
        "status_since_0": f"{user.status_since:%Y-%m-%d}", "status_since_1": f"{user.status_since:%H:%M:%S}",
        "invoices-TOTAL_FORMS": 1, "invoices-INITIAL_FORMS": 1, "invoices-0-id": invoice.pk, "invoices-0-user": user.pk,
        "invoices-0-period": invoice.period, "invoices-0-amount_minor": invoice.amount_minor, "invoices-0-currency": "EUR",
        "invoices-0-status": invoice.status, "invoices-0-billed_to": invoice.billed_to, "invoices-0-review_reason": "",
        "invoices-0-issued_at_0": f"{invoice.issued_at:%Y-%m-%d}", "invoices-0-issued_at_1": f"{invoice.issued_at:%H:%M:%S}",
    }  # fmt: skip
    # A browser also sends a default field's initial value; without it the row counts as changed and is saved again.
    hidden = {f"initial-{name}": value for name, value in values.items() if "_at_" in name or "since_" in name}
    return values | hidden | changed


def test_the_page_shows_users_with_their_invoices_and_the_report(user):
    services.suspend(user, "abuse report")
    html = Client().get("/monolith/").content.decode()
    assert "Ada &lt;b&gt;" in html
    assert "2026-11 (issued)" in html
    assert re.search(r"<td>suspended</td><td[^>]*>1</td><td[^>]*>19.00 EUR</td>", html)
    assert "The user is suspended: abuse report." in html


def test_it_looks_like_the_walkthrough_where_that_is_and_like_itself_elsewhere(user, rf):
    html = Client().get("/monolith/").content.decode()
    assert "walkthrough/style.css" in html
    assert 'aria-label="Pages"' in html
    alone = page(rf.get("/monolith/")).content.decode()
    assert "monolith/style.css" in alone
    assert "walkthrough" not in alone


def test_an_empty_page_says_what_to_type():
    html = Client().get("/monolith/").content.decode()
    assert "seed_monolith --users 24" in html
    assert Client().post("/monolith/").status_code == 405


def test_user_and_invoices_are_edited_on_one_page(client, user):
    invoice = Invoice.objects.get()
    url = reverse("admin:monolith_user_change", args=[user.pk])
    assert "2026-11" in client.get(url).content.decode()
    changed = {"name": "Ada L.", "invoices-0-status": "overdue"}
    answer = client.post(url, form(user, invoice, **changed))
    assert answer.status_code == 302, answer.context["errors"]
    user.refresh_from_db()
    invoice.refresh_from_db()
    assert (user.name, invoice.status) == ("Ada L.", "overdue")


def test_a_suspension_in_the_admin_writes_across_too(client, user):
    url = reverse("admin:monolith_user_change", args=[user.pk])
    answer = client.post(url, form(user, Invoice.objects.get(), status="suspended", suspension_reason="by hand"))
    assert answer.status_code == 302, answer.context["errors"]
    assert "by hand" in Invoice.objects.get().review_reason


def test_deleting_names_what_goes_along(client, user):
    url = reverse("admin:monolith_user_delete", args=[user.pk])
    assert "2026-11 for" in client.get(url).content.decode()
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert not User.objects.exists()
    assert not Invoice.objects.exists()


@pytest.mark.parametrize("model", ["user", "invoice", "ledgerentry", "consumer"])
def test_every_list_and_page_opens(client, user, model):
    Consumer.objects.using("monolith").create(name="reader", queue="reader", types=[], fields=["status"])
    url = reverse(f"admin:monolith_{model}_changelist")
    html = client.get(url).content.decode()
    rows = re.findall(rf'href="(/admin/monolith/{model}/[^/"]+/change/)', html)
    assert rows
    for row in set(rows):
        assert client.get(row).status_code == 200
    for text in ("ada", "x'\"%", str(user.pk), str(user.pk)[:8], "\x00"):
        assert client.get(url, {"q": text}).status_code == 200, text


def test_a_list_of_invoices_joins_its_users(client, user, django_assert_num_queries):
    for number in range(5):
        services.register(email=f"u{number}@example.org", name="U")
    services.generate_invoices("2026-12")
    url = reverse("admin:monolith_invoice_changelist")
    with django_assert_num_queries(2, using="monolith"):  # the count and the page
        assert "u4@example.org" in client.get(url).content.decode()
