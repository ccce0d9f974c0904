"""What `make run` does before it starts anything: databases up to date, an admin to log in as, and users to look at.

Every step looks first whether it is needed, so that an interrupted run goes on where it stopped and a later one says nothing.
It needs Django's settings, so import it after `django.setup()`.
"""

import io
import os
import secrets
from collections.abc import Iterator
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import OperationalError, connections
from django.db.migrations.executor import MigrationExecutor
from kombu import Connection
from kombu.exceptions import KombuError

from config.environment import VAR
from config.preflight import REFUSED, WRONG_USAGE, CanNotRun
from messaging import registry

PASSWORD_FILE = VAR / "admin-password"
ADMIN = "admin"
DEMO_USERS = "24"
TOKEN_TTL = timedelta(days=365)
NO_URL = "CELERY_BROKER_URL is not a broker's URL. Use redis://… or amqp://…, or leave it unset."


def check_broker() -> None:
    """The broker that `CELERY_BROKER_URL` names answers. The embedded one is not asked: it starts later."""
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
        raise CanNotRun(
            "CELERY_BROKER_URL is not a broker's URL. Use redis://… or amqp://…, or leave it unset.", WRONG_USAGE
        ) from None
    try:
        with connection:
            connection.ensure_connection(max_retries=1, interval_start=0.5, timeout=8)
    except (KeyError, ImportError):
        raise CanNotRun(f"Nothing here speaks to {shown}. Use redis://… or amqp://…, or leave it unset.", WRONG_USAGE) from None
    except Exception as error:  # away, or a login refused: each transport has its own errors for it
        why = " ".join(str(error).split()) or type(error).__name__
        if secret:
            why = why.replace(secret, "**")
        raise CanNotRun(
            f"The broker {shown} doesn't answer as it should ({why}). Start it, or leave CELERY_BROKER_URL unset.", REFUSED
        ) from None


def migrate() -> Iterator[str]:
    """Bring every database up to date; say which ones needed it."""
    for alias in settings.DATABASES:
        connection = connections[alias]
        try:
            executor = MigrationExecutor(connection)
        except OperationalError as error:
            place = f"{connection.settings_dict['NAME']}, " if connection.vendor == "postgresql" else ""
            raise CanNotRun(
                f"The database of {alias} ({place}{connection.display_name}) doesn't answer: {' '.join(str(error).split())}",
                REFUSED,
            ) from None
        steps = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if steps:
            yield f"database {alias}: {len(steps)} migrations"
            call_command("migrate", database=alias, verbosity=0, interactive=False)


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
        for consumer in registry.registered(authority):
            here = consumer.name in settings.CONTEXT_NAMES
            if here and registry.ensure_token(consumer=consumer.name, authority=authority, ttl=TOKEN_TTL):
                yield f"token: {consumer.name} at {authority}"


def seed() -> Iterator[str]:
    """Register the contexts with each other, hand out their tokens, and make demo users where there are none."""
    if {"users", "billing"} <= set(settings.CONTEXT_NAMES):
        yield from _registered()
        yield from _seeded("users", "seed", "--with-events")
    if "monolith" in settings.CONTEXT_NAMES:
        yield from _seeded("monolith", "seed_monolith")


def _registered() -> Iterator[str]:
    # Users that were there before the first start need it too; a register that somebody filled by hand stays as it is.
    for consumer, authority in (("billing", "users"), ("users", "billing")):
        if not apps.get_model("messaging", "Consumer")._default_manager.using(authority).exists():
            call_command("consumers", "register", consumer, "--to", authority, stdout=io.StringIO())
    yield from tokens()


def _seeded(context: str, command: str, *words: str) -> Iterator[str]:
    """The same people in each context, by the same ids."""
    if not apps.get_model(context, "User")._default_manager.using(context).exists():
        yield f"demo data: {DEMO_USERS} users in {context}"
        call_command(command, "--users", DEMO_USERS, "--suspended", "0.1", *words, stdout=io.StringIO())
