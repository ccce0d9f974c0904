"""Django system checks of what must be right before the first event is sent."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import DEFAULT_DB_ALIAS, connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from django_outbox_pattern import settings as outbox_pattern_settings
from django_outbox_pattern.models import Published

from messaging import extras, settings
from messaging.consumer.cache import declared_caches
from messaging.consumer.handlers import Handler, table
from messaging.database import columns, engines, row_hash
from messaging.database.keys import kind_of_key
from messaging.events.contract import NAME
from messaging.events.text import plural
from messaging.ledger import ledger
from messaging.models import Consumer
from messaging.publisher import grants, outbox
from messaging.publisher.feed import Feed, declared_feed
from messaging.transport import broker, signing

#: A live consumer rarely bootstraps again, so a grant that stays open longer than this was probably forgotten.
LONGEST_GRANT = timedelta(days=1)
#: A hundred years. django-outbox-pattern's clean-up can't be switched off, and Python's dates end after some thousand years.
DAYS_FOR_EVER = 36_500


@register("messaging")
def handlers_are_wired(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E001: a context's table of handlers can't be loaded, or holds something that isn't a handler."""
    found: list[CheckMessage] = []
    for context in settings.contexts():
        try:
            wrong = [name for name, handler in table(context).items() if not isinstance(handler, Handler)]
        except (ImportError, AttributeError, KeyError) as error:
            hint = "Correct the context's handlers in the setting MESSAGING, or its module."
            found.append(Error(f"The handlers of {context} can't be loaded: {error}", hint=hint, id="messaging.E001"))
        else:
            found += [
                Error(
                    f"The entry of {context} for {name} isn't a Handler.",
                    hint="Use messaging.consumer.Handler.",
                    id="messaging.E001",
                )
                for name in wrong
            ]
    return found


@register("messaging")
def broker_is_set(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W004: no broker is set, or none that can be used.

    It is a warning, because a context that only pulls needs no broker. Relays, workers and other senders refuse to start.
    """
    refusal = broker.refusal()
    if not refusal or not settings.contexts():
        return []
    return [Warning(refusal, hint="Until then relays, workers and the scheduler refuse to start.", id="messaging.W004")]


@register("messaging")
def messages_are_signed(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W008: messages aren't signed, and no setting says that they needn't be."""
    if settings.signing() is not None or not settings.contexts() or broker.refusal() or not (sentence := extras.missing("signing")):
        return []
    why = "Messages aren't signed, so every program that can write to the broker can change your copies."
    return [Warning(why, hint=f"{sentence}. {signing.WITHOUT}", id="messaging.W008")]


@register("messaging")
def drivers_are_there(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E007: a context's database is on PostgreSQL with psycopg2, which Django takes too if psycopg isn't installed."""
    aliases = dict.fromkeys(str(context.alias) for context in settings.contexts().values())
    found = [alias for alias in aliases if connections[alias].vendor == "postgresql"]
    sentence = extras.missing("postgres") if found else ""
    return [Error(sentence, hint=f"It is the database {found[0]!r}.", id="messaging.E007")] if sentence else []


@register("messaging")
def sqlite_writers_wait_for_each_other(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W007: on SQLite a transaction that reads first may fail at its first write, instead of waiting for it."""
    hint = (
        'Set its OPTIONS: {"transaction_mode": "IMMEDIATE", "timeout": 30, '
        '"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"}.'
    )
    aliases = dict.fromkeys(str(context.alias) for context in settings.contexts().values())
    return [
        Warning(
            f"SQLite transactions of the database {alias!r} aren't immediate, so they may collide.", hint=hint, id="messaging.W007"
        )
        for alias in aliases
        if connections[alias].vendor == "sqlite"
        and str(connections[alias].settings_dict["OPTIONS"].get("transaction_mode", "")).upper() not in ("IMMEDIATE", "EXCLUSIVE")
    ]


@register("messaging")
def a_database_has_one_alias(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W006: another alias leads to a context's database, so a transaction there doesn't cover the context's rows."""
    found: list[CheckMessage] = []
    aliases = dict.fromkeys(str(context.alias) for context in settings.contexts().values())
    for alias in aliases:
        for other in connections:
            first = other not in aliases or alias < other  # of two contexts' aliases one is named
            if other != alias and first and _place(other) == _place(alias) is not None:
                hint = f"Use {alias!r} for both: contexts may share an alias, and share it with your own tables."
                why = f"The aliases {alias!r} and {other!r} lead to one database. A transaction on one doesn't cover the other."
                found.append(Warning(why, hint=hint, id="messaging.W006"))
    return found


def _place(alias: str) -> tuple[str, ...] | None:
    """Return what identifies the database behind an alias; None for one that only this alias can lead to."""
    given = connections[alias].settings_dict
    if given["NAME"] == ":memory:" or given["TEST"]["MIRROR"]:
        return None
    service = given["OPTIONS"].get("service", "")
    return tuple(str(part) for part in (given["ENGINE"], given["NAME"], given["HOST"], given["PORT"], service))


@register(Tags.database)
def ledger_triggers_are_there(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W003: writes to a tracked model go unnoticed, because a trigger is missing or disabled.

    It is a warning, because an error would stop the `migrate` that installs the trigger. A worker refuses to start.
    """
    found: list[CheckMessage] = []
    for tracked in ledger.TRACKED.values():
        using = ledger.alias_of(tracked) or ""
        if using not in (databases or ()) or not engines.for_alias(using).table_exists(connections[using], tracked.table):
            continue
        if engines.for_alias(using).trigger_missing(connections[using], tracked):
            found.append(
                Warning(
                    f"The table of {tracked.aggregate} has no ledger trigger, so its changes get no version.",
                    hint=f"Run `migrate --database {using}`.",
                    id="messaging.W003",
                )
            )
    return found


@register("messaging")
def outbox_rows_are_kept(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W005: django-outbox-pattern is set up for the host's own use, and its clean-up would delete our rows too."""
    return _cleaned_up(settings.contexts()) if hasattr(django_settings, "DJANGO_OUTBOX_PATTERN") else []


@register(Tags.database)
def outbox_rows_are_kept_beside_a_hosts(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> Sequence[CheckMessage]:
    """messaging.W005: the host has rows of its own in the outbox, with the package's default settings."""
    if hasattr(django_settings, "DJANGO_OUTBOX_PATTERN"):
        return []  # the check above reports it
    shared = [
        name
        for name, context in settings.contexts().items()
        if context.alias in (databases or [])
        and engines.for_alias(context.alias).table_exists(connections[context.alias], Published._meta.db_table)
        and outbox.foreign(context.alias).exists()
    ]
    return _cleaned_up(shared)


def _cleaned_up(contexts: Iterable[str]) -> Sequence[CheckMessage]:
    """Warn of each of these contexts whose rows the package would delete."""
    days = outbox_pattern_settings.DAYS_TO_KEEP_DATA
    try:
        cleaned = router.db_for_write(Published) if days < DAYS_FOR_EVER else None
    except LookupError:
        return []  # a router that doesn't guess refuses the package's queries, which name no database
    hint = (
        f'Set DJANGO_OUTBOX_PATTERN["DAYS_TO_KEEP_DATA"] to {DAYS_FOR_EVER}, and delete your own old rows by their destination. '
        "`manage.py purge` deletes a context's rows once every consumer has passed them."
    )
    return [
        Warning(
            f"django-outbox-pattern deletes outbox and inbox rows of {name} after {plural(days, 'day')}, unsent events too.",
            hint=hint,
            id="messaging.W005",
        )
        for name in contexts
        if settings.context(name).alias == cleaned
    ]


@register(Tags.database)
def feeds_have_tables(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E006: a tracked model, which is unmanaged then, is a view. No trigger sees the changes of its rows."""
    found: list[CheckMessage] = []
    for tracked in ledger.TRACKED.values():
        using = ledger.alias_of(tracked) or ""
        if using not in (databases or ()):
            continue
        with connections[using].cursor() as cursor:
            kinds = {info.name: info.type for info in connections[using].introspection.get_table_list(cursor)}
        if kinds.get(tracked.table) == "v":
            hint = "Publish the tables that it reads, each in a feed of its own."
            found.append(Error(f"{tracked.aggregate} is the view {tracked.table}.", hint=hint, id="messaging.E006"))
    return found


@register(Tags.database)
def bootstrap_grants_are_closed(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W001: a live consumer may still bootstrap, or a grant expired before its bootstrap was done."""
    found: list[CheckMessage] = []
    now = timezone.now()
    for name, context in settings.contexts().items():
        if context.alias not in (databases or []) or not _has_grants(connections[context.alias]):
            continue
        for consumer in Consumer.objects.of(context.alias).filter(bootstrap_open=True):
            ends = consumer.bootstrap_closes_at
            if grants.grant(consumer, now) == "expired":
                why = f"The grant of {consumer.name} from {name} expired at {ends:%Y-%m-%d %H:%M} UTC before its copy was live."
            elif grants.went_live(consumer) and (ends is None or ends > now + LONGEST_GRANT):
                until = f"until {ends:%Y-%m-%d %H:%M} UTC" if ends else "without an end"
                why = f"{consumer.name} is live, but may bootstrap from {name} again {until}."
            else:
                continue
            again = f"manage.py consumers open {consumer.name} --to {name} --ttl 1h"
            hint = f"Type `manage.py consumers close {consumer.name} --to {name}`. If it still has to bootstrap: `{again}`."
            found.append(Warning(why, hint=hint, id="messaging.W001"))
    return found


@register(Tags.database)
def registered_types_have_handlers(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> Sequence[CheckMessage]:
    """messaging.E004: an authority sends a consumer event types without a handler, so each event would be parked."""
    found: list[CheckMessage] = []
    for name, context in settings.contexts().items():
        if context.alias not in (databases or []) or not _has_grants(connections[context.alias]):
            continue
        for consumer in Consumer.objects.of(context.alias).filter(name__in=list(settings.contexts())):
            unknown = sorted(set(consumer.types) - set(table(consumer.name)))
            if unknown:
                register = f"manage.py consumers register {consumer.name} --to {name} --types …"
                hint = f"Write a handler, or register without the type: {register}"
                why = f"{name} sends {unknown[0]} to {consumer.name}, which has no handler for it."
                found.append(Error(why, hint=hint, id="messaging.E004"))
    return found


@register(Tags.database)
def publishers_are_known(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W002: a consumer can't check a publisher's signatures, so each of its messages would be parked."""
    found: list[CheckMessage] = []
    for name, context in settings.contexts().items():
        for publisher in sorted({wire.partition(".")[0] for wire in table(name)} if context.alias in (databases or []) else ()):
            if problem := signing.problem(name, publisher):
                why, hint = problem
                found.append(Warning(why, hint=hint, id="messaging.W002"))
    return found


def _has_grants(connection: BaseDatabaseWrapper) -> bool:
    """Return True if the register's table is up to date. `migrate` runs the checks before it creates the table."""
    table_name = Consumer._meta.db_table
    with connection.cursor() as cursor:
        if table_name not in connection.introspection.table_names(cursor):
            return False
        columns = {column.name for column in connection.introspection.get_table_description(cursor, table_name)}
    return {field.column for field in Consumer._meta.concrete_fields} <= columns


@register("messaging")
def feeds_can_be_compared(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E003: a feed or a copy has a key or a field that can't be compared."""
    found: list[CheckMessage] = []
    for what, feed in _feeds():
        tracked = feed.declared
        using = ledger.alias_of(tracked) or DEFAULT_DB_ALIAS
        found += _wrong_key(what, tracked.model, tracked.key_name)
        for name in feed.names:
            found += _wrong_source(what, using, tracked.model, feed.source(name), f"{what}: {name}")
        if tracked.tombstone_condition is not None:
            for refusal in columns.refusals(using, tracked.model, tracked.tombstone_condition):
                found.append(_uncomparable(f"{what}: its tombstone {refusal}.", OWN_COLUMNS))
    for context in settings.contexts():
        for authority, cache in declared_caches(context).items():
            what = f"The copy in {context} of {authority}"
            found += _wrong_key(what, cache.model, cache.key, primary=True, follows=cache.follows)
            for name in (*cache.fields, cache.version):
                found += _wrong_source(what, settings.context(context).alias, cache.model, name, f"{what}: {name}")
    return found


OWN_COLUMNS = "Use literals and the columns of the model's own table, and functions that every program's connection has."


def _feeds() -> list[tuple[str, Feed]]:
    declared = [(name, declared_feed(name)) for name in settings.feeds()]
    return [(f"The feed of {name}", feed) for name, feed in declared if feed is not None]


def _uncomparable(why: str, hint: str) -> CheckMessage:
    return Error(why, hint=hint, id="messaging.E003")


def _wrong_key(
    what: str, model: type[models.Model], key: str, *, primary: bool = False, follows: bool = False
) -> list[CheckMessage]:
    found = []
    try:
        field = columns.column(model, key)
        kind = kind_of_key(field)
    except (FieldDoesNotExist, TypeError) as why:
        return [_uncomparable(f"{what}: {why}", "Name a unique column of the model's own table that has one of these types.")]
    place = f"{what}: {model._meta.label}.{field.name}"
    alone = any(list(unique.fields) == [field.name] for unique in model._meta.total_unique_constraints)
    if primary and not field.primary_key:
        found.append(_uncomparable(f"{place} isn't the primary key.", "Name the model's primary key."))
    elif field.null or not (field.unique or alone):
        hint = "Two rows with one key would be one aggregate. Use a field with unique=True and without null=True."
        found.append(_uncomparable(f"{place} isn't unique, or may be NULL.", hint))
    if follows and kind != "uuid":
        hint = "Use a UUIDField: two contexts in turn give out the keys of rows that move, and other keys would collide."
        found.append(_uncomparable(f"{place} isn't a UUIDField.", hint))
    return found


def _wrong_source(what: str, using: str, model: type[models.Model], source: columns.Source, fact: str) -> list[CheckMessage]:
    if not isinstance(source, str):
        refused = [_uncomparable(f"{fact} {refusal}.", OWN_COLUMNS) for refusal in columns.refusals(using, model, source)]
        if refused:
            return refused
    try:
        row_hash.kind_of_field(columns.field_of(model, source))
    except (FieldDoesNotExist, TypeError) as why:
        return [_uncomparable(f"{what}: {why}", "Leave the field out, or use one with a form that all databases share.")]
    return []


@register("messaging")
def feeds_are_consistent(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E005: a feed's declaration contradicts itself, another feed, or its events."""
    found: list[CheckMessage] = []
    tables: dict[tuple[str | None, str], str] = {}
    for name in settings.feeds():
        feed = declared_feed(name)
        for why, hint in _contradictions(feed, settings.authority(name)) if feed is not None else ():
            found.append(Error(f"The feed of {name}: {why}", hint=hint, id="messaging.E005"))
    for tracked in ledger.TRACKED.values():
        other = tables.setdefault((ledger.alias_of(tracked), tracked.table), tracked.aggregate)
        if other != tracked.aggregate:
            hint = "A table has one aggregate. Remove @track from a model with a feed, or one of the two feeds."
            why = f"The table {tracked.table} is tracked twice, as {other} and as {tracked.aggregate}."
            found.append(Error(why, hint=hint, id="messaging.E005"))
    return found


def _contradictions(feed: Feed, authority: str) -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, how to correct it)."""
    tracked = feed.declared
    if not re.fullmatch(rf"{NAME}\.{NAME}", feed.aggregate) or tracked.context != authority or len(feed.aggregate) > 100:
        yield (
            f"its aggregate is {feed.aggregate!r}, which isn't a name in {authority}.",
            f'Give it one: aggregate="{authority}.thing". A name begins with a lower-case letter, and has only lower-case letters, '
            "digits and underscores; at most 100 characters in all.",
        )
    for event in feed.events():
        if event.aggregate() != feed.aggregate:
            yield (
                f"its event {event.wire} is about {event.aggregate()}, but the feed's aggregate is {feed.aggregate}.",
                "Begin the types of its events with the aggregate.",
            )
    if feed.announces is None and len(feed.events()) != 1:
        yield (
            f"{plural(len(feed.events()), 'event has', 'events have')} its facts, so it isn't clear which one announces a state.",
            "Set announces=…, a function that picks the event's class.",
        )
    for unknown in sorted(feed.fields.keys() - set(feed.names)):
        yield f"fields names {unknown}, which {feed.facts.__name__} doesn't have.", "Use the names of the facts."
    if tracked.model._meta.swapped:
        yield f"{tracked.model._meta.label} is swapped for {tracked.model._meta.swapped}.", "Name that model."
    declared = ledger.TRACKED.get(feed.aggregate, tracked)
    if declared != tracked and (feed.tombstone, feed.key) != (None, "pk"):
        yield f"{tracked.model._meta.label} has @track with another tombstone or key.", "Remove @track: the feed tracks its model."
    for name in feed.names:
        yield from _contradictions_of_fact(feed, name)


def _contradictions_of_fact(feed: Feed, name: str) -> Iterator[tuple[str, str]]:
    try:
        field = columns.field_of(feed.tracked.model, feed.source(name))
        kind = row_hash.kind_of_field(field)
    except (FieldDoesNotExist, FieldError, TypeError):
        return  # messaging.E003
    if name not in feed.fields and (isinstance(field, models.EmailField) or field.name == "password"):
        yield (
            f"{name} is {'a password' if field.name == 'password' else 'an e-mail address'}, which is never in a feed by default.",
            f'Leave it out of {feed.facts.__name__}, or name it: fields={{"{name}": "{name}"}}.',
        )
    if kind == "date" and name not in feed.gone and not feed.may_be_none(name):
        yield f"{name} has no value for a gone aggregate.", f'Set it: gone={{"{name}": …}}.'
