"""Chapter 5: a new context, and no events of the past. Four ways to fill its copy, each tried and compared."""

import time

from billing.models import CachedUser, Invoice
from messaging.errors import Denied
from messaging.events.text import plural
from messaging.models import Subscription
from messaging.replica import compare, lookup
from messaging.replica.client import AuthorityClient
from messaging.replica.compare import Comparison
from messaging.replica.replica import Replica
from users.models import User
from users.services import user_suspend
from walkthrough.control import broker, crash_points, reset
from walkthrough.observe import facts
from walkthrough.scenarios.busy_users import busy_users
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage
from walkthrough.script.transcript import Ran

USERS, PAGE, DIES_AT = 3000, 100, 12
PERIOD = "2026-11"
BOOTSTRAP = ("bootstrap", "billing", "--from", "users")


def starts(stage: Stage) -> None:
    reset.reset(users=USERS, copied=False)
    stage.start(reset.SYNC)
    stage.check("The users context has users, but no old events", facts.recorded() == 0, f"{plural(_users(), 'user')}, 0 events")
    row = facts.progress()
    new = row.state == Subscription.State.NEW and _copied() == 0
    stage.check("Billing has no copy yet", new, f"state {row.state}, {plural(_copied(), 'row')}")


def kill(stage: Stage) -> None:
    crash_points.plant("pull.committed", "bootstrap", "billing", times=DIES_AT)
    try:
        with busy_users() as writing:
            ran = stage.manage(*BOOTSTRAP, "--page-size", str(PAGE))
    finally:
        crash_points.defuse()
    stage.notes["changes"] = writing.changes
    stage.say(f"Meanwhile the users context recorded {plural(writing.changes, 'change')}, each with its event.")
    stage.check(f"The process was killed after page {DIES_AT} of {USERS // PAGE}", ran.code == -9)
    row, enough = facts.progress(), DIES_AT * PAGE
    stage.check(f"The checkpoint is at the end of page {DIES_AT}", row.checkpoint >= enough, f"checkpoint {row.checkpoint}")
    part = enough <= _copied() < USERS and row.state == Subscription.State.BOOTSTRAPPING
    live = row.state == Subscription.State.LIVE
    stage.outcome(nothing=_copied() == 0, part=_copied() > 0 and not live, whole=_copied() > 0 and live)
    stage.check("The copy is incomplete, and not live", part, f"state {row.state}, {plural(_copied(), 'row')}")
    stage.notes["checkpoint"] = row.checkpoint


def resume(stage: Stage) -> None:
    with busy_users() as writing:
        ran, took = _timed(stage, *BOOTSTRAP, "--page-size", str(PAGE), "--json")
    changes = stage.notes["changes"] + writing.changes
    stage.say(f"Meanwhile the users context recorded {plural(writing.changes, 'more change')}.")
    done = ran.json or {}
    left = USERS - stage.notes["checkpoint"] + changes
    again = bool(done.get("resumed")) and done["rows"] <= left
    stage.check(
        f"It resumed after page {DIES_AT}: it read only the remaining and the changed rows",
        again,
        f"{plural(done.get('rows', 0), 'row')} in {plural(done.get('pages', 0), 'page')}",
    )
    live = done.get("state") == "live" and done.get("verdict") == "in_sync"
    stage.check(
        "Digests (fingerprints) are equal, so the copy is live", live, f"{done.get('state')}, {_spoken(done.get('verdict'))}"
    )
    found = _compared(stage, "Feed, after the kill", took)
    stage.check(
        "The copy has these changes too", found.verdict == "in_sync", f"{plural(_copied(), 'row')}, {_spoken(found.verdict)}"
    )
    _refused(stage, "The grant has closed: billing may not read from the beginning")


def narrow(stage: Stage) -> None:
    with stage.waiting("Empties billing's copy"):
        reset.new_copy()
    stage.say("Billing is new again, and receives events from now on.")
    stage.manage(*BOOTSTRAP, "--from-now", "--json")
    ran, took = _timed(stage, "import_suspended", "--json")
    suspended = User.objects.using("users").filter(status="suspended").count()
    stage.check(
        "Billing has every suspended user", ran.json == {"imported": suspended}, f"{_copied()} of {plural(_users(), 'user')}"
    )
    _compared(stage, "Narrow: suspended users", took)
    ran = stage.manage("generate_invoices", "--period", PERIOD, "--json")
    stage.fault(
        "The active users are missing: billing has nobody to bill",
        ran.code == 0 and ran.json["issued"] == 0,
        f"{plural(ran.json['issued'], 'invoice')} for {plural(_users() - suspended, 'active user')}",
    )
    copied = CachedUser.objects.using("billing").filter(status="suspended").values_list("pk", flat=True)
    wrong = Invoice.objects.using("billing").filter(period=PERIOD, user_id__in=list(copied)).exists()
    stage.outcome(active=ran.json["issued"] > 0 and not wrong, suspended=wrong, nobody=ran.json["issued"] == 0)


def direct(stage: Stage) -> None:
    with stage.waiting("Empties billing's copy"):
        reset.new_copy()
    ran, took = _timed(stage, "copy_directly", "--json")
    stage.check("Billing has every row", ran.json == {"copied": _users()}, plural(_copied(), "row"))
    found = _compared(stage, "Reading the other database", took)
    unproved = found.counts["stale"] == _users()
    stage.fault("But no row has a version, so none can be proved equal", unproved, _differing(found))
    row = facts.progress()
    stage.fault("And without a checkpoint, changes can't be pulled", row.checkpoint == 0, f"checkpoint {row.checkpoint}")


def year_later(stage: Stage) -> None:
    before = _copied()
    ran = stage.manage("copy_directly", "--year-later")
    stage.fault("Billing's script breaks", ran.code == 1)
    stage.fault("Billing's old copy stays, and gets older", _copied() == before, plural(_copied(), "row"))
    stage.outcome(empty=_copied() == 0, old=ran.code != 0 and _copied() == before, new=ran.code == 0)


def from_now(stage: Stage) -> None:
    with stage.waiting("Empties billing's copy"):
        reset.new_copy()
    ran, took = _timed(stage, *BOOTSTRAP, "--from-now", "--json")
    stage.check(
        "Billing is live at once, with an empty copy", ran.json["state"] == "live" and _copied() == 0, plural(_copied(), "row")
    )
    chosen = [user.pk for user in facts.active(6)]
    user_suspend(user_id=chosen[5], reason="from now on")
    stage.eventually("A later change arrives as an event", lambda: facts.copied_status(chosen[5]) == "suspended")
    client = AuthorityClient("users", "billing")
    began = time.monotonic()
    found = [lookup.find("billing", "users", user_id, client=client) is not None for user_id in chosen[:5]]
    each = (time.monotonic() - began) * 1000 / 5
    stage.check("Unknown users are looked up", all(found) and client.round_trips == 5, f"5 requests, {each:.0f} ms each")
    for user_id in chosen[:5]:
        lookup.find("billing", "users", user_id, client=client)
    stage.check("The second time, billing has them", client.round_trips == 5, f"still {plural(client.round_trips, 'request')}")
    client.close()
    _compared(stage, "From now on, with lookups", took)


def keep(stage: Stage) -> None:
    _refused(stage, "Without a new grant, reading from the beginning is refused")
    stage.manage("consumers", "open", "billing", "--to", "users", "--ttl", "1h")
    ran, took = _timed(stage, *BOOTSTRAP, "--json")
    done = ran.json or {}
    whole = done.get("verdict") == "in_sync" and _copied() == _users()
    stage.check(
        "With a grant for an hour, billing gets the whole copy",
        whole,
        f"{plural(_copied(), 'row')}, {done.get('rows_per_second', 0):,} rows/s",
    )
    _compared(stage, "Feed, without interruption", took)
    _refused(stage, "The grant closes before the hour is over")
    ran = stage.manage("import_suspended")
    sentence = "Delete walkthrough/scenarios/one_time_import.py and walkthrough/management/commands/import_suspended.py."
    told = sentence in " ".join(ran.output.split())
    stage.check("The narrow interface refuses now, and names the files to delete", ran.code == 3 and told)
    stage.rows("All ways compared", ("way", "rows", "seconds, process start included", "fingerprints"), stage.notes["ways"])


def _timed(stage: Stage, *arguments: str) -> tuple[Ran, float]:
    began = time.monotonic()
    ran = stage.manage(*arguments)
    return ran, time.monotonic() - began


def _compared(stage: Stage, way: str, took: float) -> Comparison:
    """Compare by fingerprints when all events have arrived, and note the way's line for the last table."""
    taken = lambda: facts.unsent() == 0 and broker.hands_are_empty("billing", "users")  # noqa: E731
    stage.wait("Waits until the relay has sent every event, and billing's worker has taken them", taken)
    found = compare.compare(Replica.of("billing", "users"))
    told = "equal" if found.verdict == "in_sync" else _differing(found)
    if facts.progress().partial:
        told += ", but rows are missing"
    stage.notes.setdefault("ways", []).append([way, f"{_copied():,} of {_users():,}", f"{took:.1f}", told])
    return found


def _spoken(verdict: object) -> str:
    return str(verdict).replace("_", " ")


def _differing(found: Comparison) -> str:
    return f"{found.verdict}: " + ", ".join(f"{number:,} {kind}" for kind, number in found.counts.items() if number)


def _refused(stage: Stage, claim: str) -> None:
    """Check that billing may not read the feed from the beginning."""
    client, answer = AuthorityClient("users", "billing"), "it answered"
    try:
        client.changes(0, limit=1)
    except Denied as error:
        answer = str(error)
    finally:
        client.close()
    stage.check(claim, "403" in answer, "403" if "403" in answer else answer)


def _users() -> int:
    return User.objects.using("users").count()


def _copied() -> int:
    return CachedUser.objects.using("billing").count()


STEPS = {
    "kill": Act(kill, Kind.BREAK),
    "resume": Act(resume, Kind.MEND),
    "narrow": Act(narrow),
    "direct": Act(direct),
    "year-later": Act(year_later, Kind.BREAK),
    "from-now": Act(from_now),
    "keep": Act(keep, Kind.MEND),
}
