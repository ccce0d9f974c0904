"""`/healthz`, `/readyz` and `/metrics` of a process: whether it lives, whether it may get work, and what a monitor wants to know.

None of them shows anything personal, and none needs a login: keep them inside your network, as any metrics endpoint.
"""

from typing import Any

from celery import current_app
from django.db import DatabaseError, InterfaceError, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from messaging.errors import DatabaseUnreadable
from messaging.operations.metrics import exposition
from messaging.operations.status import consumer_states, outbox_states
from messaging.transport import queues

#: What is told of a consumer.
TOLD = ("consumer", "authority", "state", "checkpoint", "head", "lag", "staleness_seconds", "parked", "drift", "incidents")
#: Databases that were seen to be up to date. They stay so for as long as this code runs, so only then is it worth the look.
_migrated: set[str] = set()


@require_safe
@never_cache
def alive(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers. It asks nobody else: a database that is away is no reason to restart a web server."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 where this process can do its work: every database answers and is migrated. 503 elsewhere, with what is missing.

    A broker that is away is told and doesn't count: what was to be sent waits in the outbox. Neither do lag and staleness:
    they say how good decisions are, not whether requests can be served, and a decision has its own bound.
    """
    databases = {alias: _database(alias) for alias in connections}
    able = all(state == "ok" for state in databases.values())
    answer: dict[str, Any] = {"databases": databases}
    if able:
        try:
            answer |= _progress()
        except DatabaseUnreadable as error:  # it went away in between, or another one took its place
            able, answer["reason"] = False, str(error)
    return JsonResponse({"ready": able, **answer}, status=200 if able else 503)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format; 503 while a database is away."""
    try:
        return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
    except DatabaseUnreadable as error:
        return HttpResponse(f"# {error}\n", status=503, content_type="text/plain")


def _database(alias: str) -> str:
    """ "ok", "away", or how many migrations it lacks."""
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
    """How far this process's consumers are, and what waits. Raises `DatabaseUnreadable`."""
    depths = {name: queues.depth(current_app, name) for name in queues.here(current_app)}
    return {
        "broker": "away" if None in depths.values() else "ok",
        "queues": depths,
        "consumers": [{name: getattr(state, name) for name in TOLD} for state in consumer_states()],
        "outbox": [{"context": state.context, "pending": state.pending, "failed": state.failed} for state in outbox_states()],
    }


def urls() -> list[URLPattern]:
    """To be mounted at a project's root: healthz, readyz, metrics."""
    return [
        path("healthz", alive, name="healthz"),
        path("readyz", ready, name="readyz"),
        path("metrics", metrics, name="metrics"),
    ]
