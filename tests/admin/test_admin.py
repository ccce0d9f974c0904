"""The admin by real requests: every list, page and action, each on its own context's database."""

import re
import uuid
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User as Login
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_outbox_pattern.models import Published, Received

from billing.models import CachedUser, CutoverStep, Invoice, ShadowMismatch
from messaging.consumer.inbox import receive
from messaging.database.outbox_pattern import FAILED, SENT, WAITING
from messaging.models import Consumer, Incident, Ledger, Ownership, Parked, Repair
from messaging.testing import recorded
from users.models import User
from users.services import user_erase, user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

CONTEXTS = ["users", "billing"]
PLUMBING = ["outbox", "inbox", "parkedmessage", "ledgerentry", "consumer", "authority", "incident", "repair", "ownership"]
MODELS = [*((name, model) for name in CONTEXTS for model in PLUMBING)]
MODELS += [("users", "user"), ("billing", "cacheduser"), ("billing", "invoice")]
MODELS += [("billing", "shadowmismatch"), ("billing", "cutoverstep")]


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
    """Make a row in every table of both contexts."""
    for name in CONTEXTS:
        Consumer.objects.using(name).get_or_create(name="reader", defaults={"queue": "reader", "types": ["a"], "fields": ["b"]})
        Incident.objects.using(name).create(kind="silent", authority="users", count=1, subjects=[str(user.pk)], summary="1 change")
        Repair.objects.using(name).create(kind="replay", done_by="root", started_at=timezone.now(), result="1 event sent again")
        Ownership.objects.using(name).create(aggregate="some.model", owner="users")
        receive(name, [{"not": "an event"}])  # parked at once
    body = dict(Published.objects.using("users").get().body)
    receive("billing", [body])
    receive("users", [_overdue(user, invoice)])
    Published.objects.using("billing").create(
        destination="billing.invoice.issued.v1", body={"subject": str(invoice.pk)}, status=WAITING
    )
    CutoverStep.objects.create(before="shadow", after="cache", by="root", forced=True, reason="Lacked: everything.")
    ShadowMismatch.objects.create(user_id=user.pk, old_source="api", old_status="suspended", old_version=2, cache_status="active")


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
    return [event["type"] for event in recorded(context)]


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


def test_mismatches_are_narrowed_to_a_source_by_its_name(client: Client, everything: None) -> None:
    url = reverse("admin:billing_shadowmismatch_changelist")
    html = client.get(url).content.decode()
    sources = dict(re.findall(r'href="\?old_source=(\w+)"[^>]*>\s*([^<]*?)\s*</a>', html))
    assert sources == {"monolith": "the monolith&#x27;s tables", "api": "the API of users"}
    assert "1 shadow mismatch" in client.get(url, {"old_source": "api"}).content.decode()
    assert "0 shadow mismatches" in client.get(url, {"old_source": "monolith"}).content.decode()


def test_the_index_and_the_logs_of_what_was_done_open(client: Client, everything: None) -> None:
    assert client.get("/admin/").status_code == 200
    for context in CONTEXTS:
        assert client.get(f"/admin/{context}/").status_code == 200


def test_the_pattern_s_own_pages_are_gone() -> None:
    assert not admin.site.is_registered(Published)
    assert not admin.site.is_registered(Received)


@pytest.mark.parametrize(("context", "model"), [pair for pair in MODELS if pair != ("users", "user")])
def test_read_only_pages_can_not_be_written(client: Client, everything: None, context: str, model: str) -> None:
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
    for model, wanted in (("billing_cacheduser", user.pk), ("billing_invoice", user.pk), ("billing_invoice", invoice.pk)):
        found = client.get(reverse(f"admin:{model}_changelist"), {"q": str(wanted)}).context["cl"]
        assert [row.user_id for row in found.result_list] == [user.pk]
        assert not client.get(reverse(f"admin:{model}_changelist"), {"q": str(other.pk)}).context["cl"].result_list
    found = client.get(reverse("admin:users_outbox_changelist"), {"q": str(user.pk)}).context["cl"]
    assert [row.body["subject"] for row in found.result_list] == [str(user.pk)]


def test_actions_go_through_the_services(client: Client, user: User) -> None:
    html = act(client, "users_user", "suspend", [user.pk], reason="late again")
    assert "1 user suspended." in html
    user.refresh_from_db()
    assert (user.status, user.suspension_reason) == ("suspended", "late again")
    assert "1 user reactivated." in act(client, "users_user", "reactivate", [user.pk])
    assert "Only a suspended user can be reactivated" in act(client, "users_user", "reactivate", [user.pk])
    assert "1 user erased." in act(client, "users_user", "erase", [user.pk], confirmed="yes")
    assert types("users") == [f"users.user.{what}.v1" for what in ("created", "suspended", "reactivated", "erased")]
    ledger = Ledger.objects.using("users").get(aggregate_id=str(user.pk))
    assert (ledger.version, ledger.announced_version, ledger.deleted) == (4, 4, True)


def test_erasing_asks_first_and_names_the_users(client: Client, user: User) -> None:
    other = user_register(email="bob@example.org", name="Bob <b>")
    html = act(client, "users_user", "erase", [user.pk, other.pk])
    assert "Erase 2 users for good?" in html
    assert f"{other.pk}: Bob &lt;b&gt;" in html
    assert set(User.objects.values_list("status", flat=True)) == {"active"}
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html))
    assert (fields["action"], fields["select_across"], fields["confirmed"]) == ("erase", "0", "yes")
    ids = re.findall(r'name="_selected_action" value="([^"]*)"', html)
    assert "2 users erased." in act(client, "users_user", "erase", ids, confirmed="yes")


def test_erasing_all_of_a_filtered_list_asks_about_all_of_them_and_names_twenty(client: Client) -> None:
    for number in range(22):
        user_register(email=f"{number}@example.org", name=f"User {number}")
    url = reverse("admin:users_user_changelist")
    form = {"action": "erase", "select_across": "1", "_selected_action": [str(User.objects.first().pk)]}  # type: ignore[union-attr]
    html = client.post(f"{url}?status__exact=active", form).content.decode()
    assert "Erase 22 users for good?" in html
    assert "and 2 more" in html
    assert f'href="{url}?status__exact=active"' in html
    client.post(f"{url}?status__exact=active", {**form, "confirmed": "yes"})
    assert set(User.objects.values_list("status", flat=True)) == {"erased"}


def test_the_list_shows_the_ledger_s_version(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).update(name="Ada L.")
    html = client.get(reverse("admin:users_user_changelist")).content.decode()
    assert re.search(r'class="field-version">2<', html)
    unannounced = client.get(reverse("admin:users_ledgerentry_changelist"), {"announced": "no"}).context["cl"].result_list
    entry = next(entry for entry in unannounced if entry.aggregate_id == str(user.pk))
    assert (entry.version, entry.announced_version) == (2, 1)


def test_adding_a_user_records_its_event(client: Client) -> None:
    url = reverse("admin:users_user_add")
    assert client.post(url, {"email": "eve@example.org", "name": "Eve"}).status_code == 302
    assert User.objects.get().email == "eve@example.org"
    assert types("users") == ["users.user.created.v1"]
    for values in ({"email": "eve@example.org", "name": "Eve"}, {"email": "no address", "name": "x"}, {"email": "", "name": ""}):
        assert client.post(url, values).context["adminform"].form.errors
    assert User.objects.count() == 1


def test_an_error_of_the_service_alone_is_a_sentence(client: Client, user: User) -> None:
    response = client.post(reverse("admin:users_user_add"), {"email": "x@example.org", "name": "a" * 201}, follow=True)
    assert response.status_code == 200
    # Another person erases the user while the form is open.
    user_erase(user_id=user.pk)
    response = client.post(reverse("admin:users_user_change", args=[user.pk]), {"email": "new@example.org"}, follow=True)
    assert response.status_code == 200
    assert types("users") == ["users.user.created.v1", "users.user.erased.v1"]


def test_changing_the_address_is_announced_and_nothing_else_can_change(client: Client, user: User) -> None:
    url = reverse("admin:users_user_change", args=[user.pk])
    assert client.post(url, {"email": "new@example.org", "status": "suspended", "name": "Mallory"}).status_code == 302
    user.refresh_from_db()
    assert (user.email, user.status, user.name) == ("new@example.org", "active", "Ada")
    assert types("users")[1:] == ["users.user.email_changed.v1"]
    assert client.post(url, {"email": ""}).context["adminform"].form.errors


def test_deleting_erases_and_leaves_a_tombstone(client: Client, user: User) -> None:
    url = reverse("admin:users_user_delete", args=[user.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {"post": "yes"}).status_code == 302
    user.refresh_from_db()
    assert (user.status, user.email, user.name) == ("erased", "", "")
    assert client.get(reverse("admin:users_user_change", args=[user.pk])).status_code == 200


def test_deleting_many_erases_each(client: Client, user: User) -> None:
    other = user_register(email="bob@example.org", name="Bob")
    assert "Are you sure" in act(client, "users_user", "delete_selected", [user.pk, other.pk])
    act(client, "users_user", "delete_selected", [user.pk, other.pk], post="yes")
    assert list(User.objects.values_list("status", flat=True)) == ["erased", "erased"]
    assert types("users").count("users.user.erased.v1") == 2


def test_the_admin_s_log_keeps_no_personal_data(client: Client) -> None:
    client.post(reverse("admin:users_user_add"), {"email": "eve@example.org", "name": "Eve"})
    user = User.objects.get()
    client.post(reverse("admin:users_user_change", args=[user.pk]), {"email": "new@example.org"})
    client.post(reverse("admin:users_user_delete", args=[user.pk]), {"post": "yes"})
    entries = LogEntry.objects.all()
    assert len(entries) == 3
    assert not any("@" in entry.object_repr + entry.change_message for entry in entries)


def test_marking_an_invoice_overdue_records_the_event(client: Client, invoice: Invoice) -> None:
    assert "1 invoice marked overdue." in act(client, "billing_invoice", "mark_overdue", [invoice.pk])
    assert types("billing") == ["billing.invoice.overdue.v1"]
    assert "Only an issued invoice becomes overdue" in act(client, "billing_invoice", "mark_overdue", [invoice.pk])


def test_the_review_filter(client: Client, invoice: Invoice) -> None:
    url = reverse("admin:billing_invoice_changelist")
    assert not client.get(url, {"review": "yes"}).context["cl"].result_list
    Invoice.objects.update(review_reason="Look at it.")
    assert len(client.get(url, {"review": "yes"}).context["cl"].result_list) == 1


def test_a_parked_message_is_retried_and_discarded_by_name(client: Client, user: User) -> None:
    body = dict(Published.objects.using("users").get().body)
    fine = Parked.objects.using("billing").create(envelope=body, event_type=body["type"], reason="x", traceback="Traceback: x")
    bad = Parked.objects.using("billing").create(envelope={}, reason="y")
    assert "Traceback: x" in client.get(reverse("admin:billing_parkedmessage_change", args=[fine.pk])).content.decode()
    html = act(client, "billing_parkedmessage", "retry", [fine.pk, bad.pk])
    assert "1 message applied." in html
    assert "1 message failed again" in html
    assert CachedUser.objects.get().user_id == user.pk
    act(client, "billing_parkedmessage", "discard", [fine.pk, bad.pk], note="nonsense")
    fine.refresh_from_db(using="billing")
    bad.refresh_from_db(using="billing")
    assert (fine.state, fine.settled_by) == ("applied", "root")
    assert (bad.state, bad.settled_by, bad.note) == ("discarded", "root", "nonsense")
    assert not Parked.objects.using("users").exists()


def test_a_discard_needs_a_note(client: Client) -> None:
    parked = Parked.objects.using("billing").create(envelope={}, reason="y")
    for note in ("", "  "):
        assert "Nothing was discarded" in act(client, "billing_parkedmessage", "discard", [parked.pk], note=note)
    act(client, "billing_parkedmessage", "discard", [parked.pk], note="n" * 501)
    parked.refresh_from_db(using="billing")
    assert (parked.state, parked.settled_by) == ("parked", "")


def test_parked_messages_are_listed_until_they_are_settled(client: Client) -> None:
    rows = {
        state: Parked.objects.using("billing").create(state=state, reason="a reason", raw="<raw>") for state in Parked.State.values
    }
    url = reverse("admin:billing_parkedmessage_changelist")

    def found(**query: str) -> set[str]:
        return {row.state for row in client.get(url, query).context["cl"].result_list}

    assert found() == {"retrying", "parked"}
    assert found(state="all") == set(rows)
    assert all(found(state=state) == {state} for state in rows)
    for state, row in rows.items():
        html = client.get(reverse("admin:billing_parkedmessage_change", args=[row.pk])).content.decode()
        assert "<pre>&lt;raw&gt;</pre>" in html
        assert (f'{url}?id={row.pk}"' in html) == (state in {"retrying", "parked"})
    assert found(id=str(rows["parked"].pk)) == {"parked"}


def test_an_event_s_title_is_its_type_and_a_short_id(client: Client, everything: None, user: User) -> None:
    user_erase(user_id=user.pk)
    for model in ("users_outbox", "billing_inbox"):
        rows = client.get(reverse(f"admin:{model}_changelist")).context["cl"].result_list
        row = next(row for row in rows if "created" in row.destination)
        response = client.get(reverse(f"admin:{model}_change", args=[row.pk]))
        assert response.context["subtitle"] == f"users.user.created.v1, {str(user.pk)[:8]}"
        assert "Id not sequential" not in response.content.decode()


def test_the_outbox_tells_versions_and_one_word_for_each_state(client: Client, user: User) -> None:
    url = reverse("admin:users_outbox_changelist")
    html = client.get(url).content.decode()
    assert re.search(r'class="field-nth">1<', html)
    assert f'title="{user.pk}">{str(user.pk)[:8]}<' in html
    for number, state, words in ((WAITING, "waiting", "waiting"), (SENT, "sent", "sent"), (FAILED, "failed", "can&#x27;t be sent")):
        Published.objects.using("users").update(status=number)
        html = client.get(url, {"state": state}).content.decode()
        assert f'class="field-state">{words}<' in html
        assert f">{words.capitalize()}</a>" in html
        others = {"waiting", "sent", "failed"} - {state}
        assert not any(client.get(url, {"state": other}).context["cl"].result_list for other in others)


@pytest.mark.parametrize("model", ["users_outbox", "billing_inbox", "users_ledgerentry", "billing_cacheduser", "billing_invoice"])
def test_the_short_id_of_a_list_finds_the_row(client: Client, everything: None, user: User, model: str) -> None:
    url = reverse(f"admin:{model}_changelist")
    assert client.get(url, {"q": str(user.pk)[:8]}).context["cl"].result_list
    assert not client.get(url, {"q": "00000000"}).context["cl"].result_list


def test_remarks_and_tombstones_are_words(client: Client, user: User, invoice: Invoice) -> None:
    Invoice.objects.update(review_reason="Look at it.", staleness="Too old.")
    html = client.get(reverse("admin:billing_invoice_changelist")).content.decode()
    assert '<span title="Look at it.">review</span>, <span title="Too old.">old copy</span>' in html
    user_erase(user_id=user.pk)
    html = client.get(reverse("admin:users_ledgerentry_changelist")).content.decode()
    assert 'class="field-tombstone">tombstone<' in html
    assert "icon-yes" not in html


def test_every_page_has_its_icon_and_the_project_s_name(client: Client, user: User) -> None:
    pages = ["/admin/", reverse("admin:users_user_changelist"), reverse("admin:users_user_change", args=[user.pk])]
    pages += [reverse("admin:users_user_delete", args=[user.pk]), reverse("admin:password_change")]
    for html in [*(client.get(page).content.decode() for page in pages), Client().get("/admin/login/").content.decode()]:
        icon = re.search(r'<link rel="icon" [^>]*href="/static/([^"]+)"', html)
        assert icon, "the browser would ask for /favicon.ico"
        assert finders.find(icon[1])
        assert "| Bounded contexts</title>" in html


def test_times_have_seconds(client: Client, user: User) -> None:
    html = client.get(reverse("admin:users_user_changelist")).content.decode()
    assert f"{user.created_at:%Y-%m-%d %H:%M:%S}" in html


def test_a_viewer_gets_no_actions(user: User) -> None:
    from django.contrib.auth.models import Permission

    login = Login.objects.create_user("clerk", password="secret", is_staff=True)
    login.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "view_parkedmessage"]))
    client = Client()
    client.force_login(login)
    for model in ("users_user", "users_parkedmessage"):
        response = client.get(reverse(f"admin:{model}_changelist"))
        assert response.status_code == 200
        assert 'name="action"' not in response.content.decode()
    client.post(reverse("admin:users_user_changelist"), {"action": "suspend", "_selected_action": [str(user.pk)]})
    user.refresh_from_db()
    assert user.status == "active"
