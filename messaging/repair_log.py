"""Repairs are announced: each is a row that stays, and an e-mail to the owners of the consumers that it touched."""

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
    Repair.Kind.REPLAY: (
        "Recorded events came again, with the ids that they had. What you have already is skipped; nothing need be done."
    ),
    Repair.Kind.REPUBLISH: (
        "These changes had no event, so copies that live on events alone were out of date until now. The events that say so are on "
        "their way, marked as repairs. If you decided on such data meanwhile, look at those decisions."
    ),
    Repair.Kind.RECONCILE: (
        "Your copy was compared with the authority, and what differed was set right. If you decided on such data before, look at "
        "those decisions."
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
    """Enter a repair in a context's table and, after the commit, write to the owners of the consumers that it touched.

    `kind`: one of `Repair.Kind`. `window`: what it was asked for, as the command's words. `owners`: e-mail addresses; nobody is
    written to where there are none. `counts`: what was counted, by name. `by`: who did it. Never raises for mail that can't be
    sent: that is logged, and stands in the row's result.
    """
    repair = Repair.objects.using(context.alias).create(
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
    except Exception as error:  # SMTP, network, an address that is none: the repair itself is done, whatever became of the mail
        log.exception("%s: the owners could not be told of repair %s", context.name, repair.pk)
        note = f" The owners could not be told: {kind(error)}."
        repair.result = f"{repair.result[: 300 - len(note)]}{note}"
        repair.save(using=context.alias, update_fields=["result"])


def _text(repair: Repair, context: str) -> str:
    took = (repair.finished_at - repair.started_at).total_seconds()
    lines: list[tuple[str, Any]] = [
        ("What", f"{repair.kind} {context}"),
        ("Asked for", repair.window or "everything"),
        ("By", repair.done_by),
        ("When", f"{repair.started_at:%Y-%m-%d %H:%M:%S} UTC, {plural(round(took), 'second')}"),
        ("Consumers", ", ".join(repair.consumers) or "none"),
        ("Counts", ", ".join(f"{name}: {number}" for name, number in repair.counts.items()) or "none"),
        ("Result", repair.result),
    ]
    table = "\n".join(f"{name + ':':<11}{value}" for name, value in lines)
    todo = _WHAT_TO_DO[Repair.Kind(repair.kind)]
    return f"{table}\n\n{todo}\n\nThe repair stands in the admin of {context}, under number {repair.pk}.\n"
