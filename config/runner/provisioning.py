"""What `make run` and `runserver` do beside starting programs: databases up to date, an admin to log in as, users to look at.

Every step looks first whether it is needed, so that an interrupted run goes on where it stopped and a later one says nothing.
It needs Django's settings, so import it after `django.setup()`.
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
#: Consumer and authority.
DIRECTIONS = (("billing", "users"), ("users", "billing"))
#: What makes a context's demo users.
SEEDS = {"users": ("seed", "--with-events"), "monolith": ("seed_monolith",)}
#: Seconds after which demo users are made although no message has arrived yet.
PATIENCE_SECONDS = 60.0
NO_URL = "CELERY_BROKER_URL is not a broker's URL. Use redis://… or amqp://…, or leave it unset."


def check_broker() -> None:
    """The broker that `CELERY_BROKER_URL` names answers. The embedded one is not asked: it starts later."""
    if broker.is_embedded():
        say("broker: embedded")
        return
    url = settings.CELERY_BROKER_URL
    if url.startswith("memory:"):
        raise CanNotRun(
            "CELERY_BROKER_URL=memory:// reaches no other process. Leave it unset for the embedded broker.", WRONG_USAGE
        )
    if "://" not in url:  # kombu would take it for a host's name
        raise CanNotRun(NO_URL, WRONG_USAGE)
    try:
        connection = Connection(url, connect_timeout=5, transport_options={"socket_connect_timeout": 5})
        secret, shown = connection.password, connection.as_uri()
    except (KombuError, ValueError, KeyError, ImportError):  # not repeated here: it may hold a password
        raise CanNotRun(NO_URL, WRONG_USAGE) from None
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0.5, timeout=8)
    except (KeyError, ImportError):
        raise CanNotRun(f"Nothing here speaks to {shown}. Use redis://… or amqp://…, or leave it unset.", WRONG_USAGE) from None
    except Exception as error:  # away, or a login refused: each transport has its own errors for it
        why = " ".join(str(error).split()) or kind(error)
        if secret:
            why = why.replace(secret, "**")
        raise CanNotRun(
            f"The broker {shown} doesn't answer as it should ({why}). Start it, or leave CELERY_BROKER_URL unset.", REFUSED
        ) from None
    say("broker: the one that CELERY_BROKER_URL names answers")


def migrate() -> Iterator[str]:
    """Bring every database up to date; say which ones needed it."""
    for alias, steps in pending().items():
        yield f"database {alias}: {plural(steps, 'migration')}"
        call_command("migrate", database=alias, verbosity=0, interactive=False)


def pending() -> dict[str, int]:
    """The databases of this process that aren't up to date, with the number of migrations that each of them lacks."""
    found = {}
    for alias in settings.DATABASES:
        connection = connections[alias]
        try:
            executor = MigrationExecutor(connection)
        except OperationalError as error:
            raise CanNotRun(
                f"The database of {alias} ({place(alias)}) doesn't answer: {' '.join(str(error).split())}",
                REFUSED,
            ) from None
        if steps := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            found[alias] = len(steps)
    return found


def place(alias: str) -> str:
    """Where a database is, for a person: its file, or its name and server."""
    connection = connections[alias]
    name = connection.settings_dict["NAME"]
    return shown(Path(name)) if connection.vendor == "sqlite" else f"{name}, {connection.display_name}"


def login() -> tuple[str, str | None]:
    """The admin's name and password, made at the first start. None for a password that was changed since: it stays so."""
    users = get_user_model()._default_manager
    known = PASSWORD_FILE.read_text().strip() if PASSWORD_FILE.exists() else ""
    admin = users.filter(username=ADMIN).first()
    if admin is not None:
        return ADMIN, known if known and admin.check_password(known) else None
    if not known:
        known = secrets.token_urlsafe(12)
        # Into place at once, and before the user is made: killed in between, the next start goes on with the same password.
        draft = PASSWORD_FILE.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{known}\n")
        draft.replace(PASSWORD_FILE)
    users.create_superuser(username=ADMIN, email="admin@example.com", password=known)
    return ADMIN, known


def tokens() -> Iterator[str]:
    """See to it that every consumer that runs here has a valid token for each authority here that knows it."""
    for authority in settings.CONTEXT_NAMES:
        for consumer in consumers.registered(authority):
            here = consumer.name in settings.CONTEXT_NAMES
            if here and consumers.ensure_token(consumer=consumer.name, authority=authority, ttl=TOKEN_TTL):
                yield f"token: {consumer.name} at {authority}"


def register() -> Iterator[str]:
    """Register the contexts with each other, and hand out their tokens."""
    if {"users", "billing"} <= set(settings.CONTEXT_NAMES):
        # Users that were there before the first start need it too; a register that somebody filled by hand stays as it is.
        for consumer, authority in DIRECTIONS:
            alias = messaging_settings.context(authority).alias
            if not apps.get_model("messaging", "Consumer")._default_manager.using(alias).exists():
                call_command("consumers", "register", consumer, "--to", authority, stdout=io.StringIO())
        yield from tokens()


def without_users() -> list[str]:
    """The contexts of this process that have demo users and no user yet."""
    return [name for name in SEEDS if name in settings.CONTEXT_NAMES and not apps.get_model(name, "User")._default_manager.exists()]


def seed() -> Iterator[str]:
    """Make demo users where there is none: the same people in each context, by the same ids."""
    for context in without_users():
        yield f"demo data: {DEMO_USERS} users in {context}"
        command, *words = SEEDS[context]
        call_command(command, "--users", DEMO_USERS, "--suspended", "0.1", *words, stdout=io.StringIO())


class Seeding:
    """Demo users, made at the first start and only when messages arrive: events that wait for a worker to start look late.

    Call it again and again; it says True when there is nothing left to do. A database that takes nothing now is asked again at the
    next call.
    """

    def __init__(self) -> None:
        self._since = timezone.now()
        self._limit = time.monotonic() + PATIENCE_SECONDS

    def __call__(self) -> bool:
        try:
            done = self._seed()
        except Exception as error:
            if not any(errors.takes_nothing(one) for one in (error, error.__cause__) if one):  # a command wraps it
                raise
            errors.let_go()
            return False
        if done:
            connections.close_all()  # nothing else of this process needs them
        return done

    def _seed(self) -> bool:
        if "users" in without_users() and not self._messages_arrive() and time.monotonic() < self._limit:
            return False
        for line in seed():
            say(line)
        return True

    def _messages_arrive(self) -> bool:
        """Whether a heartbeat came through relay, broker and worker since the start, in each direction."""
        subscriptions = apps.get_model("messaging", "Subscription")._default_manager
        return all(
            subscriptions.using(messaging_settings.context(consumer).alias)
            .filter(pk=authority, heartbeat_at__gte=self._since)
            .exists()
            for consumer, authority in DIRECTIONS
            if {consumer, authority} <= set(settings.CONTEXT_NAMES)
        )
