"""The starting state of every chapter: no fault is on, everything runs, there are demo users, and each copy is equal.

It empties the contexts' databases, so it refuses if they hold anything but demo data.
"""

import io
from collections.abc import Iterable, Sequence

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import models, transaction
from django_outbox_pattern.models import Published

from billing.models import CachedUser
from config.runner import provisioning
from messaging import settings as messaging_settings
from messaging.celery import app
from messaging.consumer.cache import declared_caches
from messaging.models import Consumer, Subscription, Unknown
from messaging.publisher import consumers
from messaging.replica import bootstrap
from messaging.replica.replica import Replica
from messaging.split import move
from walkthrough.control import broker, crash_points, demo_only, faults, processes, project_copy

#: Programs that run only while a chapter needs them.
ON_DEMAND = ("users-api", "billing-web", "billing-tend")
#: Keeps billing's copy equal.
SYNC = "tend-billing"
USERS = 24


def reset(*, users: int = USERS, suspended: float = 0.125, copied: bool = True, moved: bool = True) -> None:
    """Bring the whole system into the starting state.

    `copied`: billing has its copy; otherwise it is new, and its sync process is stopped: a pull that was under way would fill it
    again. `moved`: users has the users; otherwise only the monolith has them.

    Raises `demo_only.RealData`, and what `processes` raises.
    """
    demo_only.check()
    _repaired(ON_DEMAND if copied else (*ON_DEMAND, SYNC))
    _at_rest()
    for context in messaging_settings.splits():  # a guard lets only a table's owner empty it
        move.forget(move.split_of(context))
    for context in settings.CONTEXT_NAMES:
        _empty(context)
    broker.empty()
    for command in ("seed", "seed_monolith") if moved else ("seed_monolith",):  # the same people, with the same ids
        call_command(command, "--users", str(users), "--suspended", str(suspended), stdout=io.StringIO())
    new_copy()
    bootstrap.bootstrap(Replica.of("users", "billing"), app)
    if copied:
        bootstrap.bootstrap(Replica.of("billing", "users"), app)


def new_copy() -> None:
    """Make billing new: its copy of users is empty, it received nothing, and it may read the feed from the beginning."""
    consumers.open_bootstrap(authority="users", name="billing", ttl=None)
    with transaction.atomic(using="billing"):
        CachedUser.objects.using("billing").all()._raw_delete("billing")
        Unknown.objects.using("billing").all()._raw_delete("billing")
        Subscription.objects.using("billing").filter(authority="users").delete()
        Subscription.objects.using("billing").create(authority="users")


def _repaired(stopped: Sequence[str]) -> None:
    """Turn faults off, stop these programs, start all others, and delete changed copies of the project."""
    faults.mend_all()
    crash_points.defuse()
    project_copy.remove_copy()
    known = processes.states()
    for name in stopped:
        if known.get(name) == "RUNNING":
            processes.thaw(name)  # a frozen one can't stop
    processes.stop(*(name for name in stopped if name in known))
    _registered()  # before workers start: a worker refuses to if it is registered for a type without a handler
    processes.start(*(name for name in known if name not in stopped))


def _at_rest() -> None:
    """Let nothing of the old state reach the new one: no event is unsent, queued or held by a worker."""
    for context in settings.DELIVERING:
        Published.objects.using(context).all()._raw_delete(context)
    broker.empty()
    for consumer, authority in (("billing", "users"), ("users", "billing")):
        Subscription.objects.using(consumer).get_or_create(authority=authority)
        Subscription.objects.using(consumer).filter(authority=authority).update(state=Subscription.State.LIVE)
        if not broker.hands_are_empty(consumer, authority):
            processes.kill(f"worker-{consumer}")
            broker.empty()


def _empty(context: str) -> None:
    """Delete all rows of a context's database, its own tables first: their triggers write into the ledger. The register keeps its
    consumers and tokens, but the consumers are new again."""
    with transaction.atomic(using=context):
        for model in (*_tables(context), *_tables("django_outbox_pattern"), *_tables("messaging")):
            if model is not Consumer:
                model._base_manager.using(context).all()._raw_delete(context)
        for authority, cache in declared_caches(context).items():
            if cache.follows:
                continue  # no rows are moving
            # Paused, or the sync process would start with half of the demo data.
            Subscription.objects.using(context).create(authority=authority, state=Subscription.State.PAUSED)
        Consumer.objects.using(context).update(
            checkpoint=None, reported_at=None, bootstrap_open=True, bootstrap_closes_at=None, bootstrapped_to=0
        )


def _tables(label: str) -> Iterable[type[models.Model]]:
    """An app's models; those with foreign keys come first."""
    found = [model for model in apps.get_app_config(label).get_models() if not model._meta.proxy]
    return sorted(found, key=lambda model: -sum(isinstance(field, models.ForeignKey) for field in model._meta.local_fields))


def _registered() -> None:
    """Register both consumers for what their handlers read, each with a token."""
    for consumer, authority in (("billing", "users"), ("users", "billing")):
        call_command("consumers", "register", consumer, "--to", authority, stdout=io.StringIO())
    for _ in provisioning.tokens():
        pass
