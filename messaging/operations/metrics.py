"""Prometheus metrics of this process's contexts, read from their databases at each scrape.

Relay, worker and web are separate processes, and their counts are in the tables already. So no counts have to be summed across
processes, none is lost with a process, and a scrape costs a few indexed queries. Names follow
https://prometheus.io/docs/practices/naming/.
"""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from messaging import settings
from messaging.models import Subscription
from messaging.operations.status import DOUBTFUL, ConsumerState, consumer_states, outbox_states, reading
from messaging.replica.drift import KINDS

__all__ = ["CONTENT_TYPE", "exposition"]


class Contexts(Collector):
    """Collect the values of `status` as metrics. Unknown values are left out, so that an alert on absence works."""

    def collect(self) -> Iterator[Metric]:
        yield from _outboxes()
        states = [state for state in consumer_states() if state.state != "elsewhere"]
        yield from _consumers(states)
        yield from _outcomes()


def exposition() -> bytes:
    """Return the metrics in Prometheus' text format. Raises `DatabaseUnreadable`."""
    registry = CollectorRegistry()
    registry.register(Contexts())
    return generate_latest(registry)


def _outboxes() -> Iterator[Metric]:
    pending = GaugeMetricFamily("messaging_outbox_pending", "Events recorded but not sent yet.", labels=["context"])
    failed = GaugeMetricFamily("messaging_outbox_failed", "Events that can't be sent.", labels=["context"])
    oldest = GaugeMetricFamily(
        "messaging_outbox_oldest_seconds", "Age of the oldest event that isn't sent yet.", labels=["context"]
    )
    for state in outbox_states():
        pending.add_metric([state.context], state.pending)
        failed.add_metric([state.context], state.failed)
        oldest.add_metric([state.context], state.oldest_seconds or 0.0)
    yield from (pending, failed, oldest)


def _consumers(states: list[ConsumerState]) -> Iterator[Metric]:
    labels = ["consumer", "authority"]
    named = {
        "lag": GaugeMetricFamily("messaging_lag_positions", "Positions behind the authority's head.", labels=labels),
        "staleness_seconds": GaugeMetricFamily(
            "messaging_staleness_seconds", "Time since the copy was last confirmed to be caught up.", labels=labels
        ),
        "parked": GaugeMetricFamily("messaging_parked", "Messages that wait for a retry or a person.", labels=labels),
        "incidents": GaugeMetricFamily("messaging_incidents_open", "Open incidents.", labels=labels),
    }
    drift = GaugeMetricFamily("messaging_drift_rows", "Rows that differed in the last comparison.", labels=[*labels, "kind"])
    state_is = GaugeMetricFamily(
        "messaging_subscription_state", "1 for the copy's current state, 0 for others.", labels=[*labels, "state"]
    )
    for state in states:
        who = [state.consumer, state.authority]
        for name, family in named.items():
            value = getattr(state, name)
            if value is not None:
                family.add_metric(who, value)
        for kind in KINDS if state.drift_by_kind is not None else ():
            drift.add_metric([*who, kind], (state.drift_by_kind or {}).get(kind, 0))
        for choice in (*Subscription.State.values, DOUBTFUL):
            state_is.add_metric([*who, choice], float(state.state == choice))
    yield from (*named.values(), drift, state_is)


def _outcomes() -> Iterator[Metric]:
    events = CounterMetricFamily("messaging_events", "Events received, by outcome.", labels=["consumer", "authority", "outcome"])
    for consumer, context in settings.contexts().items():
        with reading(context):
            rows = list(Subscription.objects.of(context.alias))
        for row in rows:
            for outcome in ("applied", "duplicate", "obsolete"):
                events.add_metric([consumer, row.authority, outcome], getattr(row, outcome))
    yield events
