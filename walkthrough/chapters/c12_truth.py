"""Chapter 12: the four questions that began it, each answered by a run."""

from walkthrough.chapter import Advice, Chapter, Kind, Listing, Step, TradeOff, Window
from walkthrough.chapters import c12_truth_steps as steps

CHAPTER = Chapter(
    number=12,
    slug="truth",
    title="Where is the truth?",
    question="The four questions again, each with its answer and the run that shows it.",
    situation="""
A team wants contexts that decide by their own copy, and is stuck. How does a **new** one get its copy, when the past is gone? How is an
hour **repaired** in which nothing was announced? Is the **truth** in the stream, or behind the API? And which **steps** lead there, so that
each can be taken back? Twelve chapters broke things to find out. This one asks the system once more, question by question.
""",
    change="""
**The authority's rows are the truth.** A trigger moves a version at every change, whoever writes, and each change gets a position after
its commit. From that all else follows. A *new context* reads the feed from its beginning, beside live events ([chapter 5](5)). A *silent hour* is a hole between two
positions, so it is noticed by itself, pulled by itself and listed ([chapter 7](7)). *Events* are for speed: they may be lost, repeated, late or
reordered ([chapter 4](4)), and so may the broker ([chapter 8](8)). *Fingerprints* prove that copy and authority agree, or name what differs.
And a copy that knows its age can refuse to decide ([chapter 9](9)).
""",
    still_wrong="""
What you never get: that a copy is as new as the row itself. Whoever can't bear a second of that needs the row, so the two are one
context, or one asks the other and fails with it ([chapter 2](2)). What you gain for that second: each context goes on when the other is
down, changes its tables without a meeting, and is wrong only in ways that are noticed, listed and mended. You have seen every one of them.
""",
    starts=steps.starts,
    steps=(
        Step("seed", "1. Seed a new context", "Billing begins with nothing; users' past was never announced.", steps.seed),
        Step("silence", "2. Repair a silence", "The publisher forgets its events for a while.", steps.silence, Kind.BREAK),
        Step(
            "stream",
            "3a. Lose the stream",
            "Everything that was ever announced is deleted, and billing's copy with it.",
            steps.without_stream,
            Kind.BREAK,
        ),
        Step("row", "3b. Lose a row", "Now one of the authority's rows is deleted by hand.", steps.without_row, Kind.BREAK),
        Step("way", "4. There and back", "The step onto the copy is taken back, and taken again.", steps.there_and_back, Kind.MEND),
    ),
    listings=(
        Listing("messaging/feed.py", "page", "The truth's way out: each aggregate once, at its latest change."),
        Listing(
            "messaging/sequencer.py", "stamp_pending", "A position after the commit, so that a reader by position misses nothing."
        ),
        Listing("messaging/upsert.py", "upsert_newer", "Why whatever arrives, however often and in whatever order, does no harm."),
    ),
    trade_offs=(
        TradeOff("Ask the API for each decision", "Always the newest answer", "Down together; a call for each decision"),
        TradeOff("Keep a copy, fed by events alone", "Fast, and up alone", "A lost event is wrong for ever, and nobody knows"),
        TradeOff(
            "Keep a copy; events for speed, the feed as the guarantee",
            "Fast, up alone, heals by itself, can be proven",
            "A ledger, a feed and a process to run; a second of age",
        ),
        TradeOff(
            "Event sourcing",
            "The stream is the truth, with all its past",
            "Another way to build each context; what nobody recorded is missing there too",
        ),
    ),
    advice=(
        Advice(
            "Monday, before the first coffee is cold: pick one fact",
            "Not the users, but “who may be invoiced?”: an id, a status, a date. Write down who owns it, who decides by it, and how old it may "
            "be then. One fact, moved the whole way, teaches more than ten half-way.",
        ),
        Advice(
            "Monday, the rest of the day: find what crosses the line",
            "Foreign keys to AUTH_USER_MODEL, cascades, `@receiver`, `select_related('user')`, inlines, `atomic()` around both. Turn the import "
            "check on for the two modules, list what it finds, and mend nothing yet.",
            ("lint-imports", "manage.py check"),
        ),
        Advice(
            "This week: count versions",
            "Put the trigger on that one table. It changes nothing for anybody, and from then on no write goes unnoticed, not even one by hand. "
            "Everything is in one database? Give that app an alias of its own onto it, `docs/in-your-monolith.md` says how.",
            ("manage.py migrate --database users", "manage.py check --database users"),
        ),
        Advice(
            "This month: a copy that nobody decides by",
            "Register, bootstrap, tend; look at the differences every morning. Each is a bug that you have today and don't know of.",
            (
                "manage.py consumers register billing --to users",
                "manage.py bootstrap billing --from users",
                "manage.py reconcile billing --from users",
                "manage.py status",
            ),
        ),
        Advice(
            "When it has been equal for weeks: shadow, then cut over",
            "Let the old way decide and the copy be compared. Cut over when the gate says so, on a quiet morning, and know the one line that goes back.",
            (
                "manage.py cutover billing --to shadow",
                "manage.py cutover billing --to cache",
                "manage.py cutover billing --to monolith",
            ),
        ),
        Advice(
            "When you are tired of it",
            "Stop after any step. Each leaves a system that works and that you understand, and none has to be followed by the next one.",
        ),
    ),
    windows=(
        Window("The truth: users", "admin:users_user_changelist"),
        Window("Its versions and positions", "admin:users_ledgerentry_changelist"),
        Window("Billing's copy", "admin:billing_cacheduser_changelist"),
        Window("What was repaired", "admin:users_repair_changelist"),
    ),
)
