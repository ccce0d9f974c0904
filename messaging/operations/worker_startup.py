"""Checks of a worker at its start. `apps` loads this module, so that Celery's signal reaches it."""

import logging
from typing import Any

from celery import Celery
from celery.signals import worker_init
from django.db import DatabaseError, InterfaceError, connections

from messaging import settings
from messaging.database import errors
from messaging.operations.checks import ledger_triggers_are_there, publishers_are_known, registered_types_have_handlers
from messaging.transport import queues

log = logging.getLogger(__name__)


@worker_init.connect  # type: ignore[untyped-decorator]
def worker_starts(sender: Any, **kwargs: Any) -> None:
    refuse_to_start(sender.app)


def refuse_to_start(app: Celery) -> None:
    """Exit with code 3 if messages would be parked or changes missed.

    That is: no broker is set, an event type has no handler, a publisher's key is unknown, a queue has another type, or a ledger
    trigger is missing.
    """
    names = [name for name in app.amqp.queues.consume_from if name in settings.contexts()]
    missing = queues.no_broker(app.conf.broker_read_url) if names else ""
    bad = f"{missing} {queues.SET_BROKER}" if missing else queues.bad_option(app)
    if wrong := [bad] if bad else queues.check_types(app, names):
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
