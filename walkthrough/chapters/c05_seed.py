"""Chapter 5: a new context, and no event of the past. Four ways to fill its copy, each tried out and compared."""

from walkthrough.chapter import Advice, Chapter, Kind, Listing, Step, TradeOff, Window
from walkthrough.chapters import c05_seed_steps as steps

CHAPTER = Chapter(
    number=5,
    slug="seed",
    title="Seed the new context",
    question="How does a new context get its copy when the events of the past are gone?",
    situation="""
Users has 3,000 users and years behind it. Billing is new: an empty table and a queue. Events tell what changes from today on, and
most users never change. There is no stream to replay; it was never kept, or thrown away once it was read, as queues do.
""",
    change="""
The authority shows its **rows** as a feed: each user once, at the position of its latest change, page after page. Billing's queue is
there *before* the first page is read, so what changes meanwhile waits in it, and versions settle what comes twice. Each page commits
with the checkpoint. Reading from the beginning needs a **grant** that closes by itself.
""",
    still_wrong="""
Billing has a copy, and fingerprints say that it is equal. It still bills by the monolith's JOIN or by the API: nobody has dared to
switch. [Chapter 6](6) compares answers in the running system first, and switches in both directions.
""",
    starts=steps.starts,
    steps=(
        Step(
            "kill",
            "Bootstrap, and kill it half-way",
            "30 pages of 100 users, beside a writer that never stops. The process is killed by SIGKILL after page 12.",
            steps.kill,
            Kind.BREAK,
        ),
        Step("resume", "Start it again", "The same command, once more, and the writer goes on.", steps.resume, Kind.MEND),
        Step(
            "narrow",
            "Take only the suspended ones",
            "An interface for one deploy: users hands over its suspended users, once, and the code is deleted with the next release.",
            steps.narrow,
        ),
        Step("direct", "Read the other database", "One `SELECT`, on users' own table.", steps.direct),
        Step(
            "year-later",
            "Read it again a year later",
            "A copy of users' table, in which its team has renamed one column.",
            steps.year_later,
            Kind.BREAK,
        ),
        Step(
            "from-now",
            "From now on, with lookups",
            "No past at all: live at the head of the feed, and whoever isn't known is asked about.",
            steps.from_now,
        ),
        Step(
            "keep",
            "Choose, and compare",
            "Back to the API: the grant is opened for an hour, used, and closed. Then all ways in one table.",
            steps.keep,
            Kind.MEND,
        ),
    ),
    listings=(
        Listing("messaging/pulling.py", "apply_page", "A page and the checkpoint, in one transaction."),
        Listing("messaging/grants.py", "may_read", "Who may read the feed from where."),
        Listing("walkthrough/narrow.py", "ProvidesSuspendedUsers", "The whole narrow interface."),
        Listing("walkthrough/direct.py", "copy_directly", "The script that reads somebody else's table."),
    ),
    trade_offs=(
        TradeOff(
            "By the API",
            "Versions, positions, proof; killed, it goes on",
            "The authority must have a feed, and carry the load once",
        ),
        TradeOff(
            "Narrow, one deploy",
            "Hands over what the decision needs, and no more",
            "No proof; the rest must come by lookups or never",
        ),
        TradeOff(
            "Reading the other database",
            "Fastest, nothing to build",
            "Every table becomes a contract that its owner knows nothing of",
        ),
        TradeOff(
            "From now on, with lookups",
            "Live in a second; no bulk of personal data",
            "Slow first contacts; lists of everybody stay short",
        ),
    ),
    advice=(
        Advice(
            "A data migration that copies from the other app's models",
            "`RunPython` with `apps.get_model('users', …)` ties both apps' migrations for ever and runs inside a deploy. Bootstrap in a "
            "command instead, beside the running system, and as often as you like.",
            ("manage.py bootstrap billing --from users", "manage.py reconcile billing --from users"),
        ),
        Advice(
            "A read replica, or a view for the other team",
            "Fine for a first day. Write down who reads which column, and give it an end date; the rename comes when everybody who "
            "knew has left.",
        ),
        Advice(
            "A full export that stays reachable",
            "A feed from the beginning is every user in one request. Open it for a deploy, with a time, and let it close by itself.",
            ("manage.py consumers open billing --to users --ttl 1h", "manage.py consumers list"),
        ),
    ),
    windows=(
        Window("Billing's copy, by where it came from", "admin:billing_cacheduser_changelist", "source__exact=bootstrap"),
        Window("Billing's progress", "admin:billing_authority_changelist"),
        Window("Who may read from users", "admin:users_consumer_changelist"),
    ),
)
