"""`/healthz`, `/readyz` and `/metrics` of a process, for load balancers and monitors.

They show no personal data and need no login. Keep them inside your network, like any metrics endpoint.
"""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from messaging import extras
from messaging.celery import app
from messaging.database.non_atomic import without_transactions
from messaging.errors import DatabaseUnreadable
from messaging.operations.status import consumer_states, outbox_states
from messaging.transport import queues

#: The fields of a consumer's state that `/readyz` returns.
TOLD = ("consumer", "authority", "state", "checkpoint", "head", "lag", "staleness_seconds", "parked", "drift", "incidents")
#: Databases without missing migrations. They stay so while this code runs, so they aren't checked again.
_migrated: set[str] = set()


@require_safe
@never_cache
def alive(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process runs. An unreachable database doesn't count: a restart of the web server wouldn't help."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 if every database answers and is migrated, else 503; the JSON body says which one isn't.

    An unreachable broker is reported but doesn't count, because events wait in the outbox. Lag and staleness don't count either:
    requests can be served, and each decision checks its own bound.
    """
    databases = {alias: _database(alias) for alias in connections}
    able = all(state == "ok" for state in databases.values())
    answer: dict[str, Any] = {"databases": databases}
    if able:
        try:
            answer |= _progress()
        except DatabaseUnreadable as error:  # it became unreachable in between, or was replaced by another one
            able, answer["reason"] = False, str(error)
    return JsonResponse({"ready": able, **answer}, status=200 if able else 503)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics in Prometheus' text format; 503 while a database is unreachable, 501 without the extra `deploy`."""
    if sentence := extras.missing("deploy"):
        return HttpResponse(f"# {sentence}\n", status=501, content_type="text/plain")
    from messaging.operations.metrics import CONTENT_TYPE, exposition

    try:
        return HttpResponse(exposition(), content_type=CONTENT_TYPE)
    except DatabaseUnreadable as error:
        return HttpResponse(f"# {error}\n", status=503, content_type="text/plain")


def _database(alias: str) -> str:
    """Return "ok", "away" (unreachable), or the number of missing migrations."""
    try:
        if alias in _migrated:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT 1")
            return "ok"
        executor = MigrationExecutor(connections[alias])
        missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except (DatabaseError, InterfaceError):
        connections[alias].close()
        return "away"
    if missing:
        return f"migrations missing: {missing}"
    _migrated.add(alias)
    return "ok"


def _progress() -> dict[str, Any]:
    """Return the progress of this process's consumers, and what waits in outboxes and queues. Raises `DatabaseUnreadable`."""
    depths = {name: queues.depth(app, name) for name in queues.here(app)}
    return {
        "broker": "away" if None in depths.values() else "ok",
        "queues": depths,
        "consumers": [{name: getattr(state, name) for name in TOLD} for state in consumer_states()],
        "outbox": [{"context": state.context, "pending": state.pending, "failed": state.failed} for state in outbox_states()],
    }


def urls() -> list[URLPattern]:
    """Return the URLs `healthz`, `readyz` and `metrics`, to include at a project's root."""
    return [
        path(name, login_not_required(without_transactions(view)), name=name)
        for name, view in {"healthz": alive, "readyz": ready, "metrics": metrics}.items()
    ]
