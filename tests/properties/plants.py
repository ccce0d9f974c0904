"""Planted bugs: changed lines of `messaging` (or of a cache) while the stories run.

Each one edits a function's source, so it fails loudly when that source changes. The function keeps its identity and gets the edited
code, so modules that imported it earlier have the bug too.
"""

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType

import pytest

from messaging.ledger import ledger
from tests.properties.model import (
    BOUND,
    COMMITTED,
    COPY,
    COUNTED,
    DENSE,
    EQUAL,
    ERASED,
    FORWARD,
    FRESH,
    HOLES,
    KEPT,
    LEDGER,
    NOTICED,
    ONCE,
    SENT,
)
from users.models import User


@dataclass(frozen=True)
class Plant:
    """A planted bug. `what`: its description. `where`: the function, as module:name. `edits`: (text, replacement), each text once.
    `broken`: the first broken invariant must be one of these. `trigger`: True if the edit changes a trigger, which must be
    installed again. `story`: the story by hand that finds it, if chance seldom does. `seen_by`: the test, as module:name, that
    finds a bug which no story can reach."""

    what: str
    where: str
    edits: tuple[tuple[str, str], ...]
    broken: frozenset[str]
    trigger: bool = False
    story: str = ""
    seen_by: str = ""

    @contextmanager
    def planted(self) -> Iterator[None]:
        try:
            with pytest.MonkeyPatch.context() as patch:
                function = _function(self.where)
                patch.setattr(function, "__code__", _edited(function, self.edits))
                self._install()
                yield
        finally:
            self._install()

    def _install(self) -> None:
        if self.trigger:
            ledger.install("users", ledger.TRACKED[User._meta.label_lower])


def _function(where: str) -> FunctionType:
    module, _, names = where.partition(":")
    found: object = import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    assert isinstance(found, FunctionType)
    return found


def _edited(function: FunctionType, edits: tuple[tuple[str, str], ...]) -> "Callable[..., object]":
    text = textwrap.dedent(inspect.getsource(function))
    for old, new in edits:
        assert text.count(old) == 1, f"{function.__qualname__} has {old!r} {text.count(old)} times: this plant needs another text."
        text = text.replace(old, new)
    names: dict[str, FunctionType] = {}
    exec(compile(text, inspect.getsourcefile(function) or "", "exec"), function.__globals__, names)
    return names[function.__name__].__code__  # type: ignore[return-value]


#: Plants by name. docs/mutations.md lists them.
PLANTS = {
    "no_version_guard": Plant(
        "the upsert has no `WHERE`: the event that arrives last wins",
        "messaging.database.upsert:upsert_newer",
        (("""f'WHERE excluded.{version_column} > "{table}".{version_column}'""", "''"),),
        frozenset({FORWARD, ERASED, COPY, COUNTED}),
    ),
    "last_of_a_message_wins": Plant(
        "of several events for one user in a message, the last one is applied instead of the newest",
        "messaging.database.upsert:upsert_newer",
        (("if row[version] > known[version]:", "if True:"),),
        frozenset({COPY, FORWARD, HOLES}),
        story="the_newest_comes_first_in_a_message",
    ),
    "position_by_id": Plant(
        "the position is the ledger row's id",
        "messaging.database.engines.sqlite:stamp",
        (("row_number() OVER (ORDER BY changed_at, id) + head", "id"),),
        frozenset({DENSE}),
    ),
    "inbox_row_apart": Plant(
        "the inbox row commits before the handler's writes do, as if acknowledged too early",
        "messaging.consumer.inbox:_take",
        (
            (
                'failpoints.reach("inbox.deduplicated")',
                "pass\n    with transaction.atomic(using=consumer.alias):\n        failpoints.reach('inbox.deduplicated')",
            ),
        ),
        frozenset({COPY, HOLES, LEDGER, COUNTED}),
    ),
    "no_inbox_row": Plant(
        "an event that was received before is handled again",
        "messaging.consumer.inbox:_take",
        ((" if item.key in new}", "}"),),
        frozenset({ONCE, COUNTED}),
    ),
    "parked_counts_as_applied": Plant(
        "the checkpoint passes an event that waits for its retry",
        "messaging.consumer.inbox:_take",
        ((" and failure is None and item.event.id not in waiting", ""),),
        frozenset({HOLES}),
    ),
    "checkpoint_over_holes": Plant(
        "the checkpoint is the highest position that arrived",
        "messaging.consumer.checkpoints:advance_ranges",
        (("if first <= checkpoint + 1 and not merged:", "if not merged:"),),
        frozenset({HOLES}),
    ),
    "checkpoint_before_the_page": Plant(
        "a page's checkpoint commits before its rows",
        "messaging.replica.pull:apply_page",
        (
            ("applied = replica.cache.apply(taken, source).applied if taken else frozenset()", "applied = frozenset()"),
            (
                'failpoints.reach("pull.committed")',
                'failpoints.reach("pull.committed")\n    with transaction.atomic(using=replica.alias):\n'
                "        replica.cache.apply(taken, source)",
            ),
        ),
        frozenset({HOLES}),
        story="a_pull_dies_behind_its_first_page",
    ),
    "erasure_deletes_the_row": Plant(
        "the copy deletes an erased row instead of keeping a tombstone",
        "billing.caches:apply_users",
        (
            (
                "_flag_late_invoices(",
                'CachedUser.objects.using(DATABASE).filter(status="erased").delete()\n    _flag_late_invoices(',
            ),
        ),
        frozenset({ERASED, FORWARD, COPY, HOLES, EQUAL}),
    ),
    "tombstone_forgotten_by_the_ledger": Plant(
        "a write to an erased row revives it",
        "messaging.database.engines.sqlite:_moved",
        (("deleted = max(erased, excluded.deleted)", "deleted = excluded.deleted"),),
        frozenset({LEDGER, ERASED}),
        trigger=True,
    ),
    "feed_forgets_an_erasure": Plant(
        "the feed returns the row's content although the ledger knows it is erased",
        "messaging.database.tracked:gone_sql",
        (('(l.deleted AND NOT {tracked.tombstone_sql(using, "t")})', "false"),),
        frozenset({COPY, ERASED, EQUAL}),
        story="an_erased_row_is_written_to_and_pulled",
    ),
    "feed_without_tombstones": Plant(
        "the feed leaves out tombstones",
        "messaging.publisher.page_sql:between",
        (("position > %s AND position <= %s", "NOT deleted AND position > %s AND position <= %s"),),
        frozenset({HOLES, EQUAL}),
    ),
    "announced_without_an_event": Plant(
        "a version counts as announced, but no outbox row is written",
        "messaging.publisher.outbox:record_many",
        (('insert_new(Published, values, key="id", using=using)', "pass"),),
        frozenset({LEDGER}),
    ),
    "claimed_without_a_transaction": Plant(
        "the relay marks its batch as sent before it sends it",
        "messaging.publisher.relay:Relay.run_once",
        (
            ("with claim.claimed(", 'with __import__("contextlib").nullcontext(claim.claim('),
            (") as (good, bad):", ")) as (good, bad):"),
        ),
        frozenset({SENT}),
    ),
    "replayed_with_the_newest_place": Plant(
        "a replayed event carries the position of a newer change",
        "messaging.publisher.replay:_sendable",
        ((' and version == event["aggregateversion"]', ""),),
        frozenset({HOLES}),
    ),
    "feed_read_before_the_queue": Plant(
        "a bootstrap reads the feed before its queue exists",
        "messaging.replica.bootstrap:_run",
        (
            (
                '    if registration["queue"]:',
                '    client.changes(pulls.BEYOND, limit=1)\n    if registration["queue"]:',
            ),
        ),
        frozenset({BOUND}),
    ),
    "purge_by_age": Plant(
        "retention goes by age and ignores checkpoints",
        "messaging.publisher.retention:_behind",
        (("position is None or checkpoint < position", "False"),),
        frozenset({KEPT}),
    ),
    "purge_of_the_unsent": Plant(
        "retention deletes outbox rows that were not sent",
        "messaging.publisher.retention:_sent",
        ((", authority, SENT)", ", authority)"),),
        frozenset({KEPT}),
        story="what_was_pulled_and_never_sent_is_purged",
    ),
    "final_ignored": Plant(
        "a later version undoes an erasure in the copy",
        "messaging.database.upsert:_stays",
        (("if final is None:", "if True:"),),
        frozenset(),
        seen_by="tests.messaging.consumer.test_inbox:test_erasure_wins_over_whatever_comes_later",
    ),
    "final_ignored_in_a_message": Plant(
        "a later version undoes an erasure in the same message",
        "messaging.database.upsert:upsert_newer",
        (("        if ends(row):\n", "        if False:\n"),),
        frozenset(),
        seen_by="tests.messaging.consumer.test_inbox:test_erasure_wins_over_what_comes_with_it",
    ),
    "erased_told_as_there": Plant(
        "an event describes an erased user as one that still exists",
        "messaging.publisher.outbox:record_many",
        (("_as_tombstone(item, using) if deleted else item", "item"),),
        frozenset({LEDGER, COMMITTED, COPY, ERASED}),
    ),
    "parked_outlives_the_tombstone": Plant(
        "an event that waits for its retry brings back a user that the authority has purged",
        "messaging.consumer.parked:discard_for",
        (("return rows.update(", "return rows.none().update("),),
        frozenset({ERASED, COPY}),
        story="what_failed_is_tried_again_after_the_purge",
    ),
    "marks_not_compared": Plant(
        "an authority accepts every mark as its own, so no copy ever becomes doubtful",
        "messaging.ledger.marks:refused",
        (("if known is None or known.mark != mark:", "if False:"),),
        frozenset({FRESH, NOTICED}),
        story="an_authority_is_set_back_and_passes_its_old_head",
    ),
    "repair_lifts_a_tombstone": Plant(
        "a user who is erased in the copy but not at the authority counts as an ordinary difference",
        "messaging.replica.drift:erased_here",
        (("own is not None", "False"),),
        frozenset({ERASED, COPY}),
        story="an_erased_user_is_revived_by_a_backup",
    ),
    "deletion_taken_as_erasure": Plant(
        "a pull or a lookup takes the tombstone of a deleted row as that of an erased user, who never comes back",
        "messaging.replica.changes:events",
        (('change["deleted"] and not change.get("erased", True)', "False"),),
        frozenset({COPY}),
        story="a_deleted_row_is_looked_up_and_comes_again",
    ),
    "deletion_announced_as_erasure": Plant(
        "an event announces a deleted row as an erased user, who never comes back",
        "messaging.publisher.outbox:record_many",
        (("if deleted and not erased:", "if False:"),),
        frozenset({LEDGER}),
        story="a_deletion_is_announced_and_its_row_comes_again",
    ),
    "deletion_lifts_an_erasure": Plant(
        "a deletion replaces an erasure in the copy, so a later row brings the user back",
        "messaging.database.upsert:_stays",
        (("NOT {ended('excluded')}", "NOT excluded.{_quoted(field, using)} = {value}"),),
        frozenset({COPY}),
        story="an_erased_row_is_deleted_and_comes_again",
    ),
    "floor_in_a_bootstrap": Plant(
        "a new copy is refused in the middle of its bootstrap because of tombstones that it doesn't need",
        "messaging.authority.service:Service.changes",
        ((" and (floor or 0) < purged:", ":"),),
        frozenset({EQUAL}),
        story="a_copy_is_begun_long_after_a_purge",
    ),
}
