"""The log of repairs: each is a row, and an e-mail to the owners of the consumers that it affected."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.mail import send_mail
from django.db import transaction

from messaging.events.text import kind, plural
from messaging.models import Repair
from messaging.settings import Context

log = logging.getLogger(__name__)

_WHAT_TO_DO = {
    Repair.Kind.REPLAY: "Recorded events were sent again, with their old ids. Your consumer skips those it has. Nothing to do.",
    Repair.Kind.REPUBLISH: (
        "These changes had no event, so copies that are fed by events alone were out of date until now. Their events are on the "
        "way, marked as repairs. If you made decisions on such data meanwhile, check them."
    ),
    Repair.Kind.RECONCILE: (
        "Your copy was compared with the authority, and the rows that differed were repaired. If you made decisions on such data "
        "before, check them."
    ),
}


def record_and_notify(
    context: Context,
    *,
    kind: str,
    window: str,
    consumers: Sequence[str],
    owners: Sequence[str],
    counts: Mapping[str, int],
    result: str,
    started_at: datetime,
    by: str,
) -> Repair:
    """Store a repair in a context's table. After the commit, e-mail the owners of the consumers that it affected.

    `window`: the command's options, in words. `owners`: e-mail addresses. Mail that can't be sent raises nothing: it is logged, and
    noted in the row's result.
    """
    repair = Repair.objects.using(context.alias).create(
        context=context.name,
        kind=kind,
        done_by=by[:150],
        started_at=started_at,
        window=window[:300],
        consumers=list(consumers),
        counts=dict(counts),
        result=result[:300],
    )
    addresses = sorted(set(owners))
    if addresses:
        transaction.on_commit(lambda: _write(repair, context, addresses), using=context.alias)
    return repair


def _write(repair: Repair, context: Context, addresses: list[str]) -> None:
    try:
        send_mail(f"[{context.name}] {repair.get_kind_display()}", _text(repair, context.name), None, addresses)
    except Exception as error:  # SMTP, network, a bad address: the repair is done all the same
        log.exception("%s: the mail about repair %s to its owners could not be sent", context.name, repair.pk)
        note = f" The mail to the owners could not be sent: {kind(error)}."
        repair.result = f"{repair.result[: 300 - len(note)]}{note}"
        repair.save(using=context.alias, update_fields=["result"])


def _text(repair: Repair, context: str) -> str:
    took = (repair.finished_at - repair.started_at).total_seconds()
    lines: list[tuple[str, Any]] = [
        ("What", f"{repair.kind} {context}"),
        ("Scope", repair.window or "everything"),
        ("By", repair.done_by),
        ("When", f"{repair.started_at:%Y-%m-%d %H:%M:%S} UTC, {plural(round(took), 'second')}"),
        ("Consumers", ", ".join(repair.consumers) or "none"),
        ("Counts", ", ".join(f"{name}: {number}" for name, number in repair.counts.items()) or "none"),
        ("Result", repair.result),
    ]
    table = "\n".join(f"{name + ':':<11}{value}" for name, value in lines)
    todo = _WHAT_TO_DO[Repair.Kind(repair.kind)]
    return f"{table}\n\n{todo}\n\nThe admin of {context} lists this repair as number {repair.pk}.\n"
