"""Django's checks of messaging. E003 and E005 report what is wrong with a feed or a copy before it is used."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.core.cache import cache
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connections, models, router
from django.db.models import DecimalField, ExpressionWrapper, F, Model, Q, Sum, Value
from django.db.models.functions import Upper
from django.utils import timezone
from django_outbox_pattern import settings as outbox_pattern_settings
from django_outbox_pattern.models import Published
from django_outbox_pattern.producers import Producer

from billing.caches import CACHES
from messaging.database.tracked import Tracked
from messaging.ledger import ledger
from messaging.models import Consumer, Ledger, Subscription
from messaging.operations.checks import broker, consumers, databases, feeds, handlers, outbox, tables
from messaging.operations.checks import declared as declarations
from messaging.publisher import DomainEvent, Feed
from messaging.publisher.consumers import register_consumer
from tests.signing import needs_signing
from users.models import User
from users.services import user_register


def found(monkeypatch, **caches):
    monkeypatch.setattr(declarations, "declared_caches", lambda consumer: caches if consumer == "billing" else {})
    return [(error.id, error.msg) for error in feeds.feeds_can_be_compared(None)]


def test_the_project_can_be_compared():
    assert feeds.feeds_can_be_compared(None) == []


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (None, 'MESSAGING["BROKER_URL"] isn\'t set, so there is no broker.'),
        ("localhost:6379", 'MESSAGING["BROKER_URL"] isn\'t a URL.'),
        ("radis://:secret@localhost/0", 'MESSAGING["BROKER_URL"] begins with radis://, which kombu doesn\'t know.'),
    ],
)
def test_a_missing_broker_is_a_warning(settings, url, problem):
    assert broker.broker_is_set(None) == []
    settings.MESSAGING = {**settings.MESSAGING, "BROKER_URL": url}
    assert [(warning.id, warning.msg, warning.hint) for warning in broker.broker_is_set(None)] == [
        (
            "messaging.W004",
            f'{problem} Set it, for example to "redis://localhost:6379/3" or "amqp://login:password@localhost/vhost".',
            "Until then relays, workers and the scheduler refuse to start.",
        )
    ]


def test_sqlite_without_immediate_transactions_is_a_warning(monkeypatch):
    assert databases.sqlite_writers_wait_for_each_other(None) == []
    database = connections["users"]
    monkeypatch.setattr(database, "vendor", "sqlite")
    monkeypatch.setitem(database.settings_dict, "OPTIONS", {"timeout": 30})  # as startproject makes it, or with other options
    (found,) = databases.sqlite_writers_wait_for_each_other(None)
    assert (found.id, found.msg) == (
        "messaging.W007",
        "SQLite transactions of the database 'users' aren't immediate, so they may collide.",
    )
    monkeypatch.setitem(database.settings_dict, "OPTIONS", {"transaction_mode": "immediate"})
    assert databases.sqlite_writers_wait_for_each_other(None) == []


def test_a_second_alias_for_a_context_s_database_is_a_warning(monkeypatch):
    assert databases.a_database_has_one_alias(None) == []
    for other in ("default", "billing"):
        with monkeypatch.context() as patch:
            for key in ("NAME", "HOST", "PORT"):
                patch.setitem(connections[other].settings_dict, key, connections["users"].settings_dict[key])
            (warning,) = databases.a_database_has_one_alias(None)
            one, two = sorted(["users", other]) if other == "billing" else ["users", other]
            assert warning.msg == (
                f"The aliases {one!r} and {two!r} lead to one database. A transaction on one doesn't cover the other."
            )
            assert warning.id == "messaging.W006"
            patch.setitem(connections[other].settings_dict, "NAME", ":memory:")
            assert databases.a_database_has_one_alias(None) == []


def test_a_copy_keyed_by_another_column_than_its_primary_key_is_an_error(monkeypatch):
    cache = replace(CACHES["users"], model=Ledger, key="aggregate_id", fields=("aggregate",))
    assert found(monkeypatch, users=cache) == [
        ("messaging.E003", "The copy in billing of users: messaging.Ledger.aggregate_id isn't the primary key.")
    ]


def test_a_key_of_a_type_without_ranges_is_an_error(monkeypatch):
    cache = replace(CACHES["users"], model=Ledger, key="changed_at", fields=("aggregate",))
    assert found(monkeypatch, users=cache) == [
        (
            "messaging.E003",
            "The copy in billing of users: messaging.Ledger.changed_at is a DateTimeField. A key is an integer, a UUID or a text "
            "of at most 100 characters.",
        )
    ]


def test_rows_that_move_between_contexts_need_uuids(monkeypatch):
    cache = replace(CACHES["users"], model=Ledger, key="id", fields=("aggregate",), follows=True)
    assert found(monkeypatch, users=cache) == [
        ("messaging.E003", "The copy in billing of users: messaging.Ledger.id isn't a UUIDField.")
    ]


class Profile(models.Model):
    """A host's model with everything that a feed can get wrong."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE)
    nickname = models.CharField(max_length=30)
    email = models.EmailField(max_length=100, unique=True, null=True)
    password = models.CharField(max_length=128)
    since = models.DateField()
    score = models.FloatField()
    code = models.CharField(max_length=101, unique=True)

    class Meta:
        app_label = "users"
        apps = Apps()


class Facts(DomainEvent):
    nickname: str


class Contact(DomainEvent):
    nickname: str
    email: str
    password: str


class Since(DomainEvent):
    since: date


class Score(DomainEvent):
    score: float


@pytest.fixture
def declared(monkeypatch):
    """Returns a function that declares a feed for users, in place of theirs, and returns the checks' (id, message)s."""

    class Changed(Facts, wire="users.profile.changed.v1"):
        pass

    def declare(**options: Any) -> list[tuple[str | None, str]]:
        feed = Feed(**{"model": Profile, "facts": Facts, **options})
        monkeypatch.setattr(feeds, "declared_feed", lambda name: feed if name == "users" else None)
        found_ = [*feeds.feeds_can_be_compared(None), *feeds.feeds_are_consistent(None)]
        return [(error.id, error.msg.removeprefix("The feed of users: ")) for error in found_]

    yield declare
    del DomainEvent.registry[Changed.wire]


def test_a_model_and_facts_are_all_that_a_feed_needs(declared):
    assert declared() == []
    assert declared(fields={"nickname": Upper("nickname")}, tombstone=Q(nickname="")) == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"key": "email"}, "users.Profile.email isn't unique, or may be NULL."),
        ({"key": "nickname"}, "users.Profile.nickname isn't unique, or may be NULL."),
        (
            {"key": "code"},
            "users.Profile.code is a CharField. A key is an integer, a UUID or a text of at most 100 characters.",
        ),
        ({"key": "colour"}, "Profile has no field named 'colour'"),
        (
            {"fields": {"nickname": "score"}},
            "users.Profile.score is a FloatField. A copy can only have texts, integers, decimals, booleans, dates, datetimes and "
            "UUIDs: leave the field out.",
        ),
        ({"fields": {"nickname": F("owner__name")}}, "nickname uses a column of another table, which no trigger on this one sees."),
        ({"tombstone": Q(owner__name="")}, "its tombstone uses a column of another table, which no trigger on this one sees."),
        (
            {"fields": {"nickname": Sum(F("id") / Value(Decimal("1.5")))}},
            "nickname has an aggregate or a window, which needs other rows.",
        ),
        (
            {"fields": {"nickname": ExpressionWrapper(F("id") / 3, output_field=DecimalField())}},
            "An expression has no decimal_places. Give it output_field=DecimalField(max_digits=…, decimal_places=…).",
        ),
    ],
)
def test_what_can_not_be_compared_is_an_error(declared, options, why):
    assert ("messaging.E003", why) in declared(**options)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"aggregate": "users.Profile"}, "its aggregate is 'users.Profile', which isn't a name in users."),
        ({"aggregate": "billing.profile"}, "its aggregate is 'billing.profile', which isn't a name in users."),
        (
            {"aggregate": "users.profile_2"},
            "its event users.profile.changed.v1 is about users.profile, but the feed's aggregate is users.profile_2.",
        ),
        ({"facts": Contact}, "0 events have its facts, so it isn't clear which one announces a state."),
        ({"facts": Contact}, "email is an e-mail address, which is never in a feed by default."),
        ({"facts": Contact}, "password is a password, which is never in a feed by default."),
        ({"facts": Since}, "since has no value for a gone aggregate."),
        ({"fields": {"colour": "nickname"}}, "fields names colour, which Facts doesn't have."),
        ({"ignore": "score"}, "ignore is the text 'score'."),
        ({"ignore": ["colour"]}, "ignore names colour, which isn't a column of users.Profile."),
        ({"ignore": ["nickname"]}, "ignore names nickname, but the facts, the key or the tombstone need it."),
        (
            {"ignore": ["score"], "fields": {"nickname": ExpressionWrapper(F("score") + 1, output_field=models.FloatField())}},
            "ignore names score, but the facts, the key or the tombstone need it.",
        ),
        (
            {"ignore": ["score"], "tombstone": Q(score__lt=0)},
            "ignore names score, but the facts, the key or the tombstone need it.",
        ),
        ({"ignore": ["score"]}, "its rows move to another owner, so no column can be ignored."),
    ],
)
def test_a_declaration_that_contradicts_itself_is_an_error(declared, options, why):
    assert ("messaging.E005", why) in declared(**options)


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("ignored", [("colour",), tuple("score")])
def test_an_ignored_column_that_is_none_ends_no_check_of_the_database(monkeypatch, ignored):
    """messaging.E005 says it."""
    monkeypatch.setitem(ledger.TRACKED, "users.user", replace(ledger.TRACKED["users.user"], ignored=ignored))
    assert [found for found in run_checks(databases=["users"]) if "users.user" in found.msg] == []


def test_a_column_that_is_no_fact_may_be_ignored(declared, settings):
    settings.MESSAGING = {**settings.MESSAGING, "SPLITS": {}}
    assert declared(ignore=["score"], tombstone=Q(nickname="")) == []


def test_a_composite_primary_key_needs_another_key(declared):
    class Seat(models.Model):
        pk = models.CompositePrimaryKey("row", "number")
        row = models.IntegerField()
        number = models.IntegerField()
        nickname = models.CharField(max_length=30)
        code = models.CharField(max_length=30, unique=True)

        class Meta:
            app_label = "users"
            apps = Apps()

    refused = ("messaging.E003", "users.Seat.pk has no column in the table.")
    assert refused in declared(model=Seat)
    assert "messaging.E003" not in {error for error, _ in declared(model=Seat, key="code")}


def test_what_is_named_may_be_in_a_feed(declared):
    named = {"email": "email", "password": "password"}
    assert not [why for _, why in declared(facts=Contact, fields=named) if "by default" in why]
    assert not [why for _, why in declared(facts=Since, gone={"since": date(1970, 1, 1)}) if "gone" in why]


def test_a_table_that_is_tracked_twice_is_an_error(declared, monkeypatch):
    monkeypatch.setitem(ledger.TRACKED, "users.person", Tracked(User, aggregate="users.person"))
    assert declared() == [("messaging.E005", "The table users_user is tracked twice, as users.user and as users.person.")]


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_view_is_an_error(monkeypatch):
    class Shown(models.Model):
        class Meta:
            app_label = "users"
            apps = Apps()
            db_table = "users_shown"
            managed = False

    tracked = Tracked(Shown)
    monkeypatch.setitem(ledger.TRACKED, tracked.aggregate, tracked)
    assert [(warning.id, warning.msg) for warning in tables.tracked_tables(None, databases=["users"])] == [
        ("messaging.W014", "users.shown has no table: the database 'users' has no users_shown.")
    ]
    with connections["users"].cursor() as cursor:
        cursor.execute("CREATE VIEW users_shown AS SELECT id FROM users_user")
        try:
            assert [(error.id, error.msg) for error in tables.tracked_tables(None, databases=["users"])] == [
                ("messaging.E006", "users.shown is the view users_shown, and no trigger sees all changes of its rows.")
            ]
            ledger.install_after_migrate(apps.get_app_config("users"), using="users")  # it isn't stopped by the view
        finally:
            cursor.execute("DROP VIEW users_shown")


@pytest.mark.parametrize("wire", ["users.user_2.moved_to_2.v10", "hr2.a.b.v1"])
def test_names_may_have_digits_and_underscores(wire):
    class Named(DomainEvent, wire=wire):
        pass

    del DomainEvent.registry[wire]
    assert Named.aggregate() == ".".join(wire.split(".")[:2])


@pytest.mark.parametrize("wire", ["2users.user.moved.v1", "users._user.moved.v1", "users.User.moved.v1", "users.user.moved.v0"])
def test_a_refused_name_gets_the_rule(wire):
    with pytest.raises(TypeError, match="Each name begins with a lower-case letter, and has only lower-case letters, digits and"):
        type("Named", (DomainEvent,), {"__module__": __name__}, wire=wire)


def test_fields_that_are_none_or_cannot_be_compared_are_errors(monkeypatch):
    cache = CACHES["users"]
    assert found(monkeypatch, users=replace(cache, fields=("nickname",))) == [
        ("messaging.E003", "The copy in billing of users: CachedUser has no field named 'nickname'")
    ]
    errors = found(monkeypatch, users=replace(cache, model=Subscription, key="id", fields=("drift",), version="applied"))
    assert [message for _, message in errors] == [
        "The copy in billing of users: messaging.Subscription.drift is a JSONField. A copy can only have texts, integers, "
        "decimals, booleans, dates, datetimes and UUIDs: leave the field out.",
    ]


def test_a_process_that_installs_messaging_has_its_checks():
    done = subprocess.run([sys.executable, "manage.py", "check", "--list-tags"], capture_output=True, text=True, check=True)
    assert "messaging" in done.stdout.split()


class OneDatabase:
    """A host's router: the package's queries, which name no database, go to the one of `users`."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return "users"

    db_for_write = db_for_read


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(router, "routers", [OneDatabase()])


def kept() -> list[str]:
    found = [
        *outbox.outbox_rows_are_kept(None),
        *outbox.outbox_rows_are_kept_beside_a_hosts(None, databases=["users", "billing"]),
    ]
    assert {warning.id for warning in found} <= {"messaging.W005"}
    return [warning.msg for warning in found]


DELETES = "django-outbox-pattern deletes outbox and inbox rows of users after 30 days, unsent events too."


@pytest.mark.django_db(databases="__all__")
def test_a_host_that_sets_the_package_up_is_told_what_its_clean_up_deletes(shared: None, settings: Any) -> None:
    assert kept() == []
    settings.DJANGO_OUTBOX_PATTERN = {"DEFAULT_STOMP_USERNAME": "host"}
    assert kept() == [DELETES]


@pytest.mark.django_db(databases="__all__")
def test_a_host_with_rows_and_the_packages_defaults_is_told_too(shared: None) -> None:
    user_register(email="ada@example.org", name="Ada")
    assert kept() == []
    Published.objects.using("users").create(destination="/queue/orders", body={})
    assert kept() == [DELETES]


@pytest.mark.django_db(databases="__all__")
def test_a_router_that_does_not_guess_refuses_the_clean_up_itself(settings: Any) -> None:
    settings.DJANGO_OUTBOX_PATTERN = {}
    assert kept() == []
    with pytest.raises(LookupError):
        Producer(None, "", "")._remove_old_messages()


@pytest.mark.django_db(databases="__all__")
def test_the_setting_that_the_check_names_stops_the_clean_up(shared: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DJANGO_OUTBOX_PATTERN = {}
    user_register(email="ada@example.org", name="Ada")
    rows = Published.objects.using("users")
    rows.update(added=timezone.now() - timedelta(days=3650))
    (warning,) = outbox.outbox_rows_are_kept(None)
    named, days = re.findall(r'\["(\w+)"\] to (\d+)', str(warning.hint))[0]
    with monkeypatch.context() as patch:
        patch.setattr(outbox_pattern_settings, named, int(days))
        assert kept() == []
        cache.clear()
        Producer(None, "", "")._remove_old_messages()
    assert rows.count() == 1
    cache.clear()
    Producer(None, "", "")._remove_old_messages()
    assert rows.count() == 0
    cache.clear()


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_registered_type_without_a_handler_is_an_error() -> None:
    register_consumer(authority="users", name="billing", types=["users.user.created.v1"], fields=["status"])
    assert consumers.registered_types_have_handlers(None, databases=["users"]) == []
    Consumer.objects.using("users").filter(name="billing").update(types=["users.user.created.v1", "users.user.renamed.v1"])
    (error,) = consumers.registered_types_have_handlers(None, databases=["users"])
    assert (error.id, error.msg) == (
        "messaging.E004",
        "users sends users.user.renamed.v1 to billing, which has no handler for it.",
    )
    (command,) = re.findall(r"`manage\.py ([^`]+)`", str(error.hint))
    call_command(*command.split(), stdout=StringIO())
    assert consumers.registered_types_have_handlers(None, databases=["users"]) == []


@needs_signing
@pytest.mark.django_db(databases="__all__")
def test_an_unknown_public_key_is_a_warning(settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """billing runs alone, so users signs elsewhere."""
    assert handlers.publishers_are_known(None, databases=["billing"]) == []
    there = {**settings.MESSAGING, "KEY_FOLDER": tmp_path / "there"}
    here = {**settings.MESSAGING, "KEY_FOLDER": tmp_path / "here", "CONTEXTS": ["billing"]}
    settings.MESSAGING = here
    found = {warning.msg: warning for warning in handlers.publishers_are_known(None, databases=["billing"])}
    warning = found["billing has no public key of users."]
    assert warning.id == "messaging.W002"
    (command,) = re.findall(r"`manage\.py ([^`]+)`", str(warning.hint))
    settings.MESSAGING = there
    call_command(*command.split(), "--json", stdout=(printed := StringIO()))
    settings.MESSAGING = {**here, "PUBLIC_KEYS": lambda publisher: json.loads(printed.getvalue())["public_keys"]}
    assert handlers.publishers_are_known(None, databases=["billing"]) == []


def test_an_old_sqlite_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    if connections["users"].vendor != "sqlite":
        pytest.skip("it has no SQLite")
    assert databases.engines_are_supported(None) == []
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 37, 2))
    monkeypatch.setattr("sqlite3.sqlite_version", "3.37.2")
    assert {error.id for error in databases.engines_are_supported(None)} == {"messaging.E009"}
    assert "The database 'users' is SQLite 3.37.2, and messaging needs 3.38.0 or newer." in {
        error.msg for error in databases.engines_are_supported(None)
    }
