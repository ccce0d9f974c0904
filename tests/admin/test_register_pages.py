"""The admin's pages of consumers, subscriptions, incidents and repairs."""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from messaging.models import Consumer, Incident, Repair, Subscription
from messaging.publisher import consumers
from tests.admin.pages import listed, page

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_a_consumer_s_grant_token_and_checkpoint(client: Client) -> None:
    types, fields = ["users.user.created.v1"], ["status", "status_since"]
    consumers.register_consumer(authority="users", name="billing", types=types, fields=fields, owners=["ops@example.org"])
    (row,) = listed(client, "users_consumer")
    assert (row["allowed"], row["bootstrap"], row["token"]) == ("status, status_since", "open until live", "none")
    assert (row["reached"], row["reported"]) == ("never reported", "-")

    token = consumers.issue_token(authority="users", name="billing", ttl=timedelta(days=2))
    consumers.report_checkpoint(authority="users", name="billing", checkpoint=42)
    consumers.close_bootstrap(authority="users", name="billing", position=40)
    (row,) = listed(client, "users_consumer")
    assert (row["bootstrap"], row["reached"]) == ("closed, live from 40", "42")
    assert row["token"].startswith("until 20")
    assert re.fullmatch(r"\d+ seconds? ago", row["reported"])
    html = page(client, "users_consumer", Consumer.objects.using("users").get().pk)
    assert "ops@example.org" in html
    for secret in (token, Consumer.objects.using("users").get().token_hash):
        assert secret not in html

    Consumer.objects.using("users").update(token_expires_at=timezone.now())
    assert listed(client, "users_consumer")[0]["token"].startswith("expired 20")
    assert listed(client, "users_consumer", bootstrap_open__exact="1") == []


def test_a_subscription_s_place_age_and_drift(client: Client) -> None:
    rows = Subscription.objects.using("billing")
    rows.create(authority="users", checkpoint=7, head=10)
    (row,) = listed(client, "billing_authority")
    assert (row["stands"], row["checkpoint"], row["head"], row["lag"]) == ("New", "7", "10", "3")
    assert (row["staleness"], row["found"]) == ("never confirmed", "never compared")

    counts = {"missing": 2, "stale": 0, "corrupt": 1, "ghost": 0, "ahead": 0}
    confirmed = timezone.now() - timedelta(minutes=5, seconds=1)
    rows.update(state="live", checkpoint=11, drift=counts, confirmed_at=confirmed, ahead=[[13, 15], [17, 17]])
    (row,) = listed(client, "billing_authority", stands="live")
    assert (row["stands"], row["lag"], row["found"]) == ("Live", "0", "2 missing, 1 corrupt")
    assert row["staleness"] == "5 minutes"
    assert "13 to 15, 17 to 17" in page(client, "billing_authority", rows.get().pk)
    rows.update(doubt="users was set back.", doubtful_since=timezone.now())
    assert listed(client, "billing_authority", stands="doubtful")[0]["stands"] == "Doubtful"
    assert listed(client, "billing_authority", stands="live") == []
    shown = page(client, "billing_authority", rows.get().pk)
    assert "users was set back." in shown
    assert "Live" not in re.sub(r"(?s).*<main|</main>.*", "", shown)
    rows.update(drift=dict.fromkeys(counts, 0))
    assert listed(client, "billing_authority")[0]["found"] == "none"


def test_incidents_are_found_by_state_kind_and_id(client: Client) -> None:
    ids = [str(uuid.uuid4()) for _ in range(3)]
    rows = Incident.objects.using("billing")
    rows.create(kind="silent", authority="users", count=3, subjects=ids, summary="3 rows changed without an event")
    rows.create(kind="drift", authority="users", count=1, subjects=[], summary="1 row differs", closed_at=timezone.now())

    def summaries(**query: str) -> list[str]:
        return [row["summary"] for row in listed(client, "billing_incident", **query)]

    assert len(summaries()) == 2
    assert summaries(open="yes") == summaries(kind__exact="silent") == ["3 rows changed without an event"]
    assert summaries(open="no") == ["1 row differs"]
    assert [row["state"] for row in listed(client, "billing_incident")] == ["closed", "open"]
    assert summaries(q=ids[2]) == summaries(q=ids[1][:13]) == ["3 rows changed without an event"]
    assert summaries(q=str(uuid.uuid4())) == []
    html = page(client, "billing_incident", rows.get(kind="silent").pk)
    assert all(one in html for one in ids)
    assert listed(client, "users_incident") == []


def test_repairs_name_the_person_and_the_result(client: Client) -> None:
    rows = Repair.objects.using("users")
    now = timezone.now()
    rows.create(
        kind="republish",
        done_by="ada",
        started_at=now,
        window="--since 2026-11-01",
        consumers=["billing", "shipping"],
        counts={"republished": 80, "failed": 0},
        result="80 events recorded",
    )
    rows.create(kind="replay", done_by="bob", started_at=now, result="nothing to send")
    (row,) = listed(client, "users_repair", kind__exact="republish")
    assert (row["done_by"], row["touched"], row["tally"]) == ("ada", "billing, shipping", "80 republished")
    assert row["result"] == "80 events recorded"
    assert [row["done_by"] for row in listed(client, "users_repair", q="bob")] == ["bob"]
    assert "--since 2026-11-01" in page(client, "users_repair", rows.get(kind="republish").pk)
