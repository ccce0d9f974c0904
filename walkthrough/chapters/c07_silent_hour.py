"""Chapter 7: a bug in the publisher announces nothing for an hour. Notice it, list it, repair it."""

from walkthrough.chapter import Advice, Chapter, Kind, Listing, Step, TradeOff, Window
from walkthrough.chapters import c07_silent_hour_steps as steps

CHAPTER = Chapter(
    number=7,
    slug="silent-hour",
    title="The silent hour",
    question="A bug recorded no events for an hour. Who notices, and how is it repaired?",
    situation="""
The outbox keeps every event that is recorded. It can't keep one that nobody records: a refactoring lost the line, a script wrote
raw SQL, somebody used `update()` in the admin. The change is committed, the outbox is empty, the queue is quiet, nothing fails. To
billing, silence looks exactly like a quiet hour.
""",
    change="""
Let the **database** count. A trigger moves a version in the *change ledger* at every write, whoever wrote; recording an event notes the
version that it announced. What was never announced is then a query. And each change gets a *position* in the authority's feed, which
heartbeats tell every consumer. So billing can see a hole without a single event, and pull what belongs there.
""",
    still_wrong="""
Copies with a `tend` process heal within seconds, and the others when somebody types `republish`. But all of this went by a broker
that was well, and by heartbeats on the same road. [Chapter 8](8) takes the broker away.
""",
    starts=steps.starts,
    steps=(
        Step(
            "silence",
            "Let an hour pass in silence",
            "The publisher's bug is switched on, users change in every way there is, and an hour goes by on a simulated clock.",
            steps.silence,
            Kind.BREAK,
        ),
        Step("notice", "Notice it", "No event came. Does billing know anything at all?", steps.notice),
        Step("list", "List what is missing", "Users looks into its own ledger: version against announced version.", steps.listed),
        Step(
            "pull",
            "Repair it from billing's side",
            "`tend-billing` runs again, as it always should. Nobody types anything.",
            steps.pull,
            Kind.MEND,
        ),
        Step(
            "republish",
            "Repair it from users' side",
            "For consumers that live on events alone: record one event for each change that never had one.",
            steps.republish,
            Kind.MEND,
        ),
        Step(
            "late",
            "Let the originals arrive late",
            "The bug is fixed, and the events that it held back come out of some log, an hour late and in no order.",
            steps.late,
            Kind.BREAK,
        ),
    ),
    listings=(
        Listing("messaging/ledger.py", "unannounced", "What no event was recorded for: a query, not a guess."),
        Listing("messaging/checkpoints.py", "record_heartbeat", "A heartbeat: the head at a time of the authority's clock."),
        Listing("messaging/tending.py", "Tending._fill", "A hole that nothing came for is pulled."),
        Listing("messaging/republish.py", "_record", "One event for each, with the present state."),
    ),
    trade_offs=(
        TradeOff("Trust every writer to record", "Nothing to install", "The first forgotten line is silent, and so is the raw SQL"),
        TradeOff(
            "A trigger that counts", "Moves with every write, however it was made", "Code in the database; one more row a write"
        ),
        TradeOff("Pull by position", "Each copy heals by itself, without the broker", "The authority must serve a feed"),
        TradeOff("Republish", "Reaches consumers without a copy or a feed", "States, not histories: what lay between is gone"),
    ),
    advice=(
        Advice(
            "`QuerySet.update()`, `bulk_create()`, admin actions, data migrations",
            "None of them calls `save()` or sends a signal. Put a trigger on each table whose rows others copy, before you announce anything, "
            "and read daily what it found unannounced.",
            ("manage.py republish users --dry-run",),
        ),
        Advice(
            "A dashboard that alarms on errors",
            "A silent hour has none. Alarm on *lag* (head against checkpoint) and on *staleness* (time since the copy was confirmed), and on "
            "every incident.",
            ("manage.py status --json",),
        ),
        Advice(
            "“Replay the events of that hour”",
            "There are none. Ask for states instead: catch up from the checkpoint, or let the authority republish, then prove it.",
            ("manage.py catch_up billing --from users", "manage.py republish users", "manage.py reconcile billing --from users"),
        ),
    ),
    windows=(
        Window("Billing's incidents", "admin:billing_incident_changelist", "kind__exact=silent"),
        Window("The ledger of users", "admin:users_ledgerentry_changelist"),
        Window("Rows that a repair brought", "admin:billing_cacheduser_changelist", "source__exact=repair"),
        Window("What was repaired, by whom", "admin:users_repair_changelist"),
    ),
)
