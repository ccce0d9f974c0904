"""Checks of a worker at its start. `apps` loads this module, so that Celery's signal reaches it."""

import logging
from typing import Any

from celery import Celery
from celery.signals import worker_init
from django.db import DatabaseError, InterfaceError, connections

from messaging import settings
from messaging.celery import app
from messaging.database import errors
from messaging.operations.checks.consumers import registered_types_have_handlers
from messaging.operations.checks.handlers import publishers_are_known
from messaging.operations.checks.tables import ledger_triggers_are_there
from messaging.transport import queues

log = logging.getLogger(__name__)


@worker_init.connect  # type: ignore[untyped-decorator]
def worker_starts(sender: Any, **kwargs: Any) -> None:
    if sender.app is app:
        app.loader.fixup.worker = sender
        refuse_to_start(sender.app)
    else:
        refuse_another_app(sender.app)


def refuse_another_app(host: Celery) -> None:
    """Exit with code 3 if a host's worker would take messages of ours, which its app can't deliver.

    A worker that has our consumer is one of an earlier release, in which `messaging` had no app of its own.
    """
    names = [name for name in host.amqp.queues.consume_from if name in settings.contexts()]
    if names and (host.conf.worker_consumer == app.conf.worker_consumer or host.conf.broker_read_url == settings.broker_url()):
        log.error(
            "The queue %s belongs to messaging, which has a Celery app of its own. Run: manage.py worker %s",
            names[0],
            " ".join(names),
        )
        raise SystemExit(3)


def refuse_to_start(ours: Celery) -> None:
    """Exit with code 3 if messages would be parked or changes missed.

    That is: an event type has no handler, a publisher's key is unknown, a queue has another type, or a ledger trigger is missing.
    """
    if wrong := queues.check_types(ours, list(ours.amqp.queues.consume_from)):
        for sentence in wrong:
            log.error("%s", sentence)
        raise SystemExit(3)
    aliases = [context.alias for context in settings.contexts().values()]
    problems = [*publishers_are_known(None, databases=aliases)]
    try:
        problems += registered_types_have_handlers(None, databases=aliases)
        problems += ledger_triggers_are_there(None, databases=aliases)
    except (DatabaseError, InterfaceError) as error:
        if not errors.unusable(error):
            raise
        log.warning("the register can't be read now, so handlers and triggers aren't checked: %s", error)
    finally:
        connections.close_all()  # the pool's processes must not inherit a connection
    for problem in problems:
        log.error("%s %s", problem.msg, problem.hint)
    if problems:
        raise SystemExit(3)
