"""`events`: what each context publishes, who reads which fields of it, and how far behind they are."""

from datetime import datetime
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from billing import handlers as billing_handlers
from billing.caches import UserFacts
from messaging.consumer.handlers import Handler, table
from messaging.events.schema_text import facts
from messaging.ledger import sequencer
from messaging.models import Consumer, Subscription
from messaging.publisher import consumers
from tests.commands.calling import call
from tests.docs.test_docs import DOCS, section
from tests.messaging.operations.test_health import away
from users.services import user_register

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
SUSPENDED = "users.user.suspended.v1"


def register(consumer, authority, *words):
    ended = call("consumers", "register", consumer, "--to", authority, *words)
    assert ended.code == 0, ended.err


def register_shipping():
    register("shipping", "users", "--types", SUSPENDED, "--fields", "status,name")


def event(ended, wire=SUSPENDED):
    (found,) = [found for found in ended.json["events"] if found["type"] == wire]
    return found


@pytest.fixture
def handling(monkeypatch):
    """Let contexts have other handlers: a function that takes a context's table."""

    def change(context, handlers):
        monkeypatch.setattr("messaging.consumer.handlers.table", lambda name: handlers if name == context else table(name))

    return change


def handler(reads=UserFacts, **values):
    return Handler(reads=reads, apply=billing_handlers.apply_user_changes, **values)


def test_an_event_with_its_contract_and_the_consumer_that_reads_it():
    register("billing", "users")
    user_register(email="a@example.org", name="Ann")
    user_register(email="b@example.org", name="Bob")
    sequencer.stamp_pending("users")
    Subscription.objects.using("billing").create(authority="users", state="live", checkpoint=1)
    ended = call("events", "--json")
    assert (ended.code, list(ended.json)) == (0, ["events", "feeds", "remarks"])
    found = event(ended)
    reads = {"reads": ["status", "status_since"], "sent": ["status", "status_since"], "upcast": False, "registered": True}
    place = {"state": "live", "lag": 1, "lag_unknown": ""}
    status = {"name": "status", "type": "active | suspended | erased", "description": "What the user may do now.", "required": True}
    assert found.pop("fields")[0] == status
    assert found == {
        "type": SUSPENDED,
        "name": "users.user.suspended",
        "publisher": "users",
        "version": 1,
        "published": True,
        "description": "A user was suspended, and must not be billed.",
        "feeds": ["users"],
        "consumers": [{"consumer": "billing", "queue": "billing", **reads, **place}],
    }
    (feed,) = [feed for feed in ended.json["feeds"] if feed["feed"] == "users"]
    assert feed == {"feed": "users", "publisher": "users", "consumers": [{"consumer": "billing", "queue": "", **reads, **place}]}


def test_the_keys_are_documented():
    register_shipping()
    values = call("events", "--json").json
    keys = {*values, *values["events"][0], *values["events"][0]["fields"][0], *values["feeds"][0], *event_consumer(values)}
    documented = section(DOCS / "contracts.md", "## See who consumes an event")
    assert {key for key in keys if f"`{key}`" not in documented} == set()


def event_consumer(values):
    return next(found["consumers"][0] for found in values["events"] if found["consumers"])


def test_a_consumer_that_runs_elsewhere_is_known_by_the_register():
    register_shipping()
    ended = call("events", SUSPENDED, "--json")
    (shipping,) = [found for found in event(ended)["consumers"] if found["consumer"] == "shipping"]
    assert (shipping["reads"], shipping["sent"], shipping["queue"]) == (None, ["name", "status"], "shipping")
    assert (shipping["state"], shipping["lag"], shipping["lag_unknown"]) == ("elsewhere", None, "it runs in another process")
    assert not any(reader["consumer"] == "shipping" for feed in ended.json["feeds"] for reader in feed["consumers"])
    Consumer.objects.using("users").update(checkpoint=0)
    pulled = [reader["consumer"] for feed in call("events", SUSPENDED, "--json").json["feeds"] for reader in feed["consumers"]]
    assert pulled == ["billing", "shipping"]
    assert "shipping (gets it)" in call("events", SUSPENDED).out


@pytest.fixture
def no_copies(monkeypatch):
    for module in ("readers", "status"):
        monkeypatch.setattr(f"messaging.operations.{module}.declared_cache", lambda consumer, authority: None)


@pytest.mark.usefixtures("no_copies")
def test_a_consumer_without_a_copy_has_no_lag():
    register("users", "billing")
    (users,) = event(call("events", "--json"), "billing.invoice.overdue.v1")["consumers"]
    assert (users["reads"], users["lag"], users["lag_unknown"]) == (["user_id", "status"], None, "it keeps no copy")


def test_versions_are_beside_each_other_and_say_who_upcasts(handling):
    older, newer = f"{SUSPENDED[:-1]}2", f"{SUSPENDED[:-1]}10"
    handling("billing", {SUSPENDED: handler(upcast=lambda old: old), newer: handler(), older: handler()})
    found = [found for found in call("events", "--json").json["events"] if found["name"] == "users.user.suspended"]
    assert [(row["version"], [reader["upcast"] for reader in row["consumers"]]) for row in found] == [
        (1, [True]),
        (2, [False]),
        (10, [False]),
    ]
    assert "billing (upcasts it)" in call("events", SUSPENDED).out


def test_types_that_a_consumer_reads_differently_are_listed_apart(handling):
    created = "users.user.created.v1"
    handling("billing", {SUSPENDED: handler(), created: handler()})
    assert call("events", SUSPENDED, created).out.count("users.user: published by users") == 1
    handling("billing", {SUSPENDED: handler(), created: handler(Inner)})
    shown = call("events", SUSPENDED, created).out
    assert shown.count("users.user: published by users") == 2


def test_a_type_that_is_handled_or_registered_and_not_published(handling):
    handling("billing", {"users.user.cloned.v1": handler()})
    ended = call("events", "--json")
    assert event(ended, "users.user.cloned.v1")["published"] is False
    sentence = "users doesn't publish users.user.cloned.v1, but billing handles it"
    assert f"{sentence}." in ended.json["remarks"]
    register_shipping()
    Consumer.objects.using("users").update(types=["users.user.cloned.v1"])
    remarks = call("events", "users.user.cloned.v1", "--json").json["remarks"]
    assert remarks == [f"{sentence} and shipping is registered for it."]
    assert "users.user: published by nobody" in call("events", "users.user.cloned").out


@pytest.mark.usefixtures("no_copies")
def test_a_type_that_nobody_consumes(handling):
    handling("users", {})
    assert call("events", "billing.invoice.issued", "--json").json["remarks"] == ["Nobody consumes billing.invoice.issued.v1."]
    consumers.register_follower(authority="billing", name="archive", feed="billing", fields=["period"])
    assert call("events", "billing.invoice.issued", "--json").json["remarks"] == [
        "Nobody consumes billing.invoice.issued.v1. By the feed, its facts reach archive."
    ]


def test_a_handler_that_isnt_registered_names_the_command():
    said = (
        "billing handles users.user.suspended.v1, but isn't registered for it, so it gets none. Type: manage.py consumers register"
    )
    assert f"{said} billing --to users" in call("events", SUSPENDED).out
    register("billing", "users")
    assert "isn't registered" not in call("events", SUSPENDED).out


def test_a_registration_without_a_handler(handling):
    register("billing", "users")
    handling("billing", {})
    (said,) = call("events", SUSPENDED, "--json").json["remarks"]
    assert said == f"billing is registered with users for {SUSPENDED}, but has no handler for it, so each such event is parked."


def test_a_field_that_is_read_and_not_sent():
    register("billing", "users")
    Consumer.objects.using("users").update(fields=["status"])
    assert "billing (not sent)" in call("events", "users").out


def test_events_of_a_context_that_runs_elsewhere(settings):
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": ["billing"]}
    ended = call("events", "users", "--json")
    found = event(ended)
    assert (found["published"], [field["name"] for field in found["fields"]]) == (None, ["status", "status_since"])
    assert found["consumers"][0]["registered"] is None
    assert [feed["feed"] for feed in ended.json["feeds"]] == ["users"]
    assert ended.json["remarks"] == ["users runs in another process, so the contracts of its events aren't known here."]


@pytest.mark.parametrize("alias", ["users", "billing"])
def test_while_a_database_is_away_the_contracts_are_told_and_lag_is_unknown(alias, monkeypatch):
    register("billing", "users")
    with away(alias, monkeypatch):
        ended = call("events", "--json")
        shown = call("events", "users").out
    assert ended.code == 0
    found = event(ended)
    assert len(found["fields"]) == 6
    (billing,) = found["consumers"]
    assert (billing["reads"], billing["state"], billing["lag"]) == (["status", "status_since"], None, None)
    assert billing["registered"] is (None if alias == "users" else True)
    assert billing["lag_unknown"].startswith(f"The database of {alias} can't be read: ")
    assert ended.json["remarks"][0].endswith(". So lag is unknown, and so is its register.")
    assert "What the user may do now." in shown
    assert "unknown" in shown


def test_types_are_chosen_by_their_first_words():
    def types(*words):
        return [found["type"] for found in call("events", *words, "--json").json["events"]]

    assert types(SUSPENDED) == types("users.user.suspended") == [SUSPENDED]
    assert {wire.split(".")[0] for wire in types("users", "monolith.user")} == {"users", "monolith"}
    assert types("billing") == [f"billing.invoice.{what}.v1" for what in ("flagged", "issued", "overdue")]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("users.user.suspnded.v1", "Did you mean users.user.suspended.v1?"),
        ("users.us", "Did you mean users.user?"),
        ("shipping", "The types here: billing.invoice.flagged.v1, "),
        ("", "The types here: "),
    ],
)
def test_an_unknown_type_is_refused_with_what_is_there(word, sentence):
    ended = call("events", word)
    assert (ended.code, ended.out) == (2, "")
    assert f"There is no event type {word!r}. {sentence}" in ended.err


def test_a_process_without_events_says_so(settings):
    settings.MESSAGING = {**settings.MESSAGING, "CONTEXTS": []}
    assert call("events").out == "No context of this process publishes or handles events.\n"


def test_it_is_readable_at_80_columns(monkeypatch):
    monkeypatch.setattr("messaging.management.output.WIDTH_COLUMNS", 80)
    register("billing", "users")
    register_shipping()
    shown = call("events", "users").out
    tables, _, _ = shown.partition("Nobody")
    assert "…" not in shown
    assert max(len(line.rstrip()) for line in tables.splitlines()) <= 80
    for text in (
        SUSPENDED,
        "users.user: published by users, also in the feed users",
        "suspension_reason",
        "The e-mail",
        "shipping (gets it)",
    ):
        assert text in shown


class Inner(BaseModel):
    """An address."""

    town: str


def test_the_types_of_fields_in_words():
    class Several(BaseModel):
        place: Inner
        when: datetime | None = None
        tags: list[int] = Field(default=[], description="Words.")
        kind: Literal["one"]

    found = facts(Several.model_json_schema())
    assert [(fact.name, fact.type, fact.required) for fact in found] == [
        ("place", "object", True),
        ("when", "date-time | null", False),
        ("tags", "list of integer", False),
        ("kind", "one", True),
    ]
    assert [fact.description for fact in found] == ["An address.", "", "Words.", ""]
