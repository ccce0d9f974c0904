"""Prepares databases, the admin's login, registrations and demo users for `make run` and `runserver`.

Every step first checks if it is needed. So an interrupted run continues where it stopped, and a later run does nothing.
Import this module after `django.setup()`, because it needs the settings.
"""

import io
import os
import secrets
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from kombu import Connection
from kombu.exceptions import KombuError

from config import broker
from config.env import VAR
from config.runner.preflight import REFUSED, WRONG_USAGE, CanNotRun
from config.runner.readiness import say, shown
from messaging import settings as messaging_settings
from messaging.database import errors
from messaging.events.text import kind, plural
from messaging.publisher import consumers

PASSWORD_FILE = VAR / "admin-password"
ADMIN = "admin"
DEMO_USERS = "24"
TOKEN_TTL = timedelta(days=365)
#: Pairs of consumer and authority.
DIRECTIONS = (("billing", "users"), ("users", "billing"))
#: The command that makes a context's demo users.
SEEDS = {"users": ("seed", "--with-events"), "monolith": ("seed_monolith",)}
#: Seconds after which demo users are made even if no message has arrived.
PATIENCE_SECONDS = 60.0
NO_URL = "CELERY_BROKER_URL is not a broker's URL. Use redis://… or amqp://…, or unset it for the embedded broker."


def check_broker() -> None:
    """Check that the broker in `CELERY_BROKER_URL` answers. The embedded broker starts later."""
    if broker.is_embedded():
        say("broker: embedded")
        return
    url = settings.CELERY_BROKER_URL
    if url.startswith("memory:"):
        raise CanNotRun("CELERY_BROKER_URL=memory:// reaches no other process. Unset it for the embedded broker.", WRONG_USAGE)
    if "://" not in url:  # kombu would read it as a host name
        raise CanNotRun(NO_URL, WRONG_USAGE)
    try:
        connection = Connection(url, connect_timeout=5, transport_options={"socket_connect_timeout": 5})
        secret, shown = connection.password, connection.as_uri()
    except (KombuError, ValueError, KeyError, ImportError):  # the message doesn't repeat it: it may have a password
        raise CanNotRun(NO_URL, WRONG_USAGE) from None
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0.5, timeout=8)
    except (KeyError, ImportError):
        raise CanNotRun(
            f"CELERY_BROKER_URL={shown} is not supported. Use redis://… or amqp://…, or unset it.", WRONG_USAGE
        ) from None
    except Exception as error:  # not answering, or a refused login: each transport has its own errors
        why = " ".join(str(error).split()) or kind(error)
        if secret:
            why = why.replace(secret, "**")
        raise CanNotRun(
            f"The broker {shown} can't be used ({why}). Start it or correct its URL, or unset CELERY_BROKER_URL.", REFUSED
        ) from None
    say("broker: the one in CELERY_BROKER_URL answers")


def migrate() -> Iterator[str]:
    """Migrate every database, and yield a line for each one that needed it."""
    for alias, steps in pending().items():
        yield f"database {alias}: {plural(steps, 'migration')}"
        call_command("migrate", database=alias, verbosity=0, interactive=False)


def pending() -> dict[str, int]:
    """Return the databases that lack migrations, with their number. Raises `CanNotRun` if one doesn't answer."""
    found = {}
    for alias in settings.DATABASES:
        connection = connections[alias]
        try:
            executor = MigrationExecutor(connection)
        except OperationalError as error:
            raise CanNotRun(
                f"The database of {alias} ({place(alias)}) doesn't answer: {' '.join(str(error).split()).rstrip('.')}. "
                "Start it, or correct its URL.",
                REFUSED,
            ) from None
        if steps := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            found[alias] = len(steps)
    return found


def place(alias: str) -> str:
    """Describe the place of a database: its file, or its name and server."""
    connection = connections[alias]
    name = connection.settings_dict["NAME"]
    return shown(Path(name)) if connection.vendor == "sqlite" else f"{name}, {connection.display_name}"


def login() -> tuple[str, str | None]:
    """Return the admin's name and password, made at the first start. The password is None if it was changed since."""
    users = get_user_model()._default_manager
    known = PASSWORD_FILE.read_text().strip() if PASSWORD_FILE.exists() else ""
    admin = users.filter(username=ADMIN).first()
    if admin is not None:
        return ADMIN, known if known and admin.check_password(known) else None
    if not known:
        known = secrets.token_urlsafe(12)
        # Written in one step before the user is made. If this process is killed between, the next start uses the same password.
        draft = PASSWORD_FILE.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{known}\n")
        draft.replace(PASSWORD_FILE)
    users.create_superuser(username=ADMIN, email="admin@example.com", password=known)
    return ADMIN, known


def tokens() -> Iterator[str]:
    """Give every consumer that runs here a valid token for each authority here that has registered it."""
    for authority in settings.CONTEXT_NAMES:
        for consumer in consumers.registered(authority):
            here = consumer.name in settings.CONTEXT_NAMES
            if here and consumers.ensure_token(consumer=consumer.name, authority=authority, ttl=TOKEN_TTL):
                yield f"token: {consumer.name} at {authority}"


def register() -> Iterator[str]:
    """Register the contexts with each other, and give them their tokens."""
    if {"users", "billing"} <= set(settings.CONTEXT_NAMES):
        # Users from before the first start need this too. A register with entries stays as it is.
        for consumer, authority in DIRECTIONS:
            alias = messaging_settings.context(authority).alias
            if not apps.get_model("messaging", "Consumer")._default_manager.using(alias).exists():
                call_command("consumers", "register", consumer, "--to", authority, stdout=io.StringIO())
        yield from tokens()


def without_users() -> list[str]:
    """Return the contexts of this process that need demo users and have no users."""
    return [name for name in SEEDS if name in settings.CONTEXT_NAMES and not apps.get_model(name, "User")._default_manager.exists()]


def seed() -> Iterator[str]:
    """Make demo users in contexts without users: the same people with the same ids in each."""
    for context in without_users():
        yield f"demo data: {DEMO_USERS} users in {context}"
        command, *words = SEEDS[context]
        call_command(command, "--users", DEMO_USERS, "--suspended", "0.1", *words, stdout=io.StringIO())


class Seeding:
    """Makes demo users at the first start, as soon as messages arrive. Earlier events would wait for the worker and look late.

    Call it repeatedly; it returns True when it is done. If a database can't be written to, the next call tries again.
    """

    def __init__(self) -> None:
        self._since = timezone.now()
        self._limit = time.monotonic() + PATIENCE_SECONDS

    def __call__(self) -> bool:
        try:
            done = self._seed()
        except Exception as error:
            if not any(errors.takes_nothing(one) for one in (error, error.__cause__) if one):  # a command may wrap the error
                raise
            errors.let_go()
            return False
        if done:
            connections.close_all()  # nothing else in this process needs them
        return done

    def _seed(self) -> bool:
        if "users" in without_users() and not self._messages_arrive() and time.monotonic() < self._limit:
            return False
        for line in seed():
            say(line)
        return True

    def _messages_arrive(self) -> bool:
        """Return True if a heartbeat has passed relay, broker and worker since the start, in each direction."""
        subscriptions = apps.get_model("messaging", "Subscription")._default_manager
        return all(
            subscriptions.of(messaging_settings.context(consumer).alias)
            .filter(authority=authority, heartbeat_at__gte=self._since)
            .exists()
            for consumer, authority in DIRECTIONS
            if {consumer, authority} <= set(settings.CONTEXT_NAMES)
        )
