"""The page of events: the map of contexts, and who reads which fields."""

import re
from typing import Any

import pytest
from django.test import Client

from billing import handlers as billing_handlers
from billing.caches import UserFacts
from messaging.consumer.handlers import Handler, table
from messaging.ledger import sequencer
from messaging.models import Consumer, Subscription
from messaging.publisher import consumers
from tests.messaging.operations.test_health import away
from users.services import user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
SUSPENDED = "users.user.suspended.v1"


def register(name: str = "billing", fields: tuple[str, ...] = ("status", "status_since")) -> Consumer:
    types = [f"users.user.{what}.v1" for what in ("created", "suspended", "reactivated", "email_changed", "erased")]
    return consumers.register_consumer(authority="users", name=name, types=types, fields=fields)


def page(client: Client) -> str:
    response = client.get("/events/")
    assert response.status_code == 200
    return re.sub(r"\s+", " ", response.content.decode())


def arrows(html: str) -> list[str]:
    """What the map says in words, for each arrow."""
    found = re.search(r"<desc[^>]*>(.*?)</desc>", html)
    assert found
    return re.findall(r"From [^.]*\.", found[1])


def test_a_consumer_that_is_behind_is_in_the_map_and_in_the_tables(client: Client) -> None:
    register()
    user_register(email="ada@example.org", name="Ada")
    sequencer.stamp_pending("users")
    Subscription.objects.using("billing").create(authority="users", state="live")
    html = page(client)
    names = "user: created, email_changed, erased, reactivated, suspended"
    assert f"From users to billing, events: {names}; live, lag 1." in arrows(html)
    assert "From users to billing, pulled: feed users; live, lag 1." in arrows(html)
    assert html.count("▲ live, lag 1</text>") == 6  # two arrows in three sizes
    assert '<span class="tag open">live, lag 1</span>' in html
    assert re.search(r"<code>status</code><small>active \| suspended \| erased</small>.*?What the user may do now\.", html)
    assert '<td class="use" data-label="billing"><span class="tag good">reads</span></td>' in html


def test_each_state_has_a_class_and_words(client: Client) -> None:
    register()
    row = Subscription.objects.using("billing").create(authority="users")
    for state, words, look in (
        ("live", "live, lag 0", "good"),
        ("bootstrapping", "bootstrapping, lag 0", "open"),
        ("unreachable", "unreachable, lag 0", "bad"),
    ):
        Subscription.objects.using("billing").filter(pk=row.pk).update(state=state)
        assert f'<span class="tag {look}">{words}</span>' in page(client)
    Subscription.objects.using("billing").update(doubt="Set back.")
    assert '<span class="tag bad">doubtful, lag 0</span>' in page(client)


def test_before_anybody_is_registered_it_says_so_with_the_command(client: Client) -> None:
    html = page(client)
    assert '<span class="tag bad">not registered</span>' in html
    assert "so it gets none. Type: manage.py consumers register billing --to users" in html
    assert "Nobody consumes monolith.user.changed.v1." in html


def test_without_handlers_and_registrations_there_is_no_arrow(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messaging.consumer.handlers.table", lambda name: {})
    monkeypatch.setattr("messaging.operations.readers.declared_cache", lambda name, feed: None)
    html = page(client)
    assert arrows(html) == []
    assert "No context consumes events yet. Register a consumer:" in html


def test_a_consumer_that_runs_elsewhere_gets_a_box(client: Client) -> None:
    register("shipping", ("name",))
    html = page(client)
    assert 'class="box elsewhere"' in html
    assert "From users to shipping, events: user: created, email_changed, erased, reactivated, suspended; elsewhere, lag" in html
    assert '<td class="use" data-label="shipping"><span class="tag open">gets</span></td>' in html


def test_versions_and_upcasts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(**values: Any) -> Handler:
        return Handler(reads=UserFacts, apply=billing_handlers.apply_user_changes, **values)

    handled = {SUSPENDED: handler(upcast=lambda old: old), "users.user.suspended.v2": handler()}
    monkeypatch.setattr("messaging.consumer.handlers.table", lambda name: handled if name == "billing" else table(name))
    html = page(client)
    assert "From users to billing, events: user: suspended v1, v2;" in html
    assert '<td data-label="Consumers">billing upcasts it' in html
    assert "users doesn’t publish this" in html


@pytest.mark.parametrize("alias", ["users", "billing"])
def test_without_a_database_it_has_the_contracts_and_the_reason(
    client: Client, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with away(alias, monkeypatch):
        html = page(client)
    assert f"The database of {alias} can&#x27;t be read: " in html
    assert '<span class="tag unknown">lag unknown</span>' in html
    assert "What the user may do now." in html


def test_it_links_to_the_admin_and_shows_the_source(client: Client) -> None:
    html = page(client)
    for target in ("/admin/users/consumer/", "/admin/billing/authority/", "/api/users/contracts/", "/admin/monolith/consumer/"):
        assert f'href="{target}"' in html
    assert "<summary><code>billing/handlers.py</code></summary>" in html
    assert "how many positions a copy is behind" in html
    assert 'href="/events/" aria-current="page"' in html
    assert 'href="/events/"' in client.get("/").content.decode()
