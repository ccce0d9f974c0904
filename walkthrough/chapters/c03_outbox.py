"""Chapter 3: users announces its facts, and a crash falls between the change and the message."""

from walkthrough.chapter import Advice, Chapter, Kind, Listing, Step, TradeOff, Window
from walkthrough.chapters import c03_outbox_steps as steps

CHAPTER = Chapter(
    number=3,
    slug="outbox",
    title="Announce facts",
    question="How does an event leave exactly when its change was committed?",
    situation="""
Asking users for every decision made billing stand still whenever users did. So users tells what happens: it changes its row and
sends a message. That is two writes to two systems, a database and a broker, and no transaction holds them together. A process can be
killed between any two lines: by a deploy, by the kernel when memory is short, by a power cut.
""",
    change="""
There is no right order for two writes. So make it **one**: the event is a row too, in a table beside the change, written in the same
transaction. That table is the *outbox*. A process of its own, the *relay*, reads it, sends, and marks what the broker confirmed. It may
crash anywhere: what isn't marked is sent again, and the receiver knows what it had. Billing writes down what it is told; how that is
done well is [chapter 4](4).
""",
    still_wrong="""
Every event leaves now, and some leave twice. The relay promises *at least once*, and a broker may shuffle and repeat as well. The
receiver has to be indifferent to all of that, and to messages that it can't read. [Chapter 4](4) makes it so. And code that forgets
to record an event at all is no crash; nothing here notices it. [Chapter 7](7) does.
""",
    starts=steps.starts,
    steps=(
        Step(
            "commit-first",
            "Commit, then send; crash between",
            "A process suspends a user, commits, and is killed at the line that would send the message.",
            steps.commit_first,
            Kind.BREAK,
        ),
        Step(
            "send-first",
            "Send, then commit; crash between",
            "The other order: the message is out, and the process is killed before its transaction commits.",
            steps.send_first,
            Kind.BREAK,
        ),
        Step(
            "outbox",
            "The same crashes, with the outbox",
            "Row and event in one transaction, killed just before its commit, and just after it.",
            steps.outbox,
        ),
        Step(
            "kill-relay",
            "Kill the relay, twice",
            "The real one: once with an event claimed and not sent, once with an event sent and not marked.",
            steps.kill_relay,
            Kind.BREAK,
        ),
        Step(
            "mend",
            "Mend what the two writes did",
            "`tend-billing` starts again and pulls what was lost. What billing was told too much of takes more.",
            steps.mend,
            Kind.MEND,
        ),
    ),
    listings=(
        Listing("walkthrough/dual_write.py", "commit_then_send", 'Two writes; the crash falls on `reach("committed")`.'),
        Listing("users/services.py", "user_suspend", "One write: the row, and its event in the same transaction."),
        Listing("messaging/outbox.py", "record_many", "What recording an event does, and what it refuses."),
        Listing("messaging/relay.py", "Relay.run_once", "Claim, send, mark: a crash anywhere sends again."),
    ),
    trade_offs=(
        TradeOff("Commit, then send", "No new table, no new process", "A crash loses the event; nothing tells that it is missing"),
        TradeOff("Send, then commit", "No event is lost", "A rollback leaves others acting on what never was"),
        TradeOff(
            "`transaction.on_commit(send)`", "No message for what was rolled back", "It is “commit, then send” with a nicer name"
        ),
        TradeOff(
            "Outbox", "Change and event commit together or not at all", "A table that grows, a relay that must run, duplicates"
        ),
    ),
    advice=(
        Advice(
            "`post_save` signals that call `.delay()`",
            "Inside `atomic` (the admin's, `ATOMIC_REQUESTS`) a signal fires before the commit, so the worker may find no row, or act on what "
            "is rolled back later. Record the event in the service that writes, inside its `transaction.atomic`, and delete the signal.",
            ("grep -rn 'post_save\\|post_delete' --include='*.py' .",),
        ),
        Advice(
            "`transaction.on_commit(lambda: task.delay(…))` everywhere",
            "Good enough for what may get lost: a cache to warm, a mail that can be asked for again. For a fact that another context decides "
            "by, replace it with an outbox row.",
            ("grep -rn 'on_commit' --include='*.py' .",),
        ),
        Advice(
            "Transactions over both sides",
            "`atomic()` covers one alias. A block that writes to two databases is two transactions, and an outbox on `default` isn't atomic "
            "with a row elsewhere. Give every context its own outbox table and name the alias.",
        ),
    ),
    windows=(
        Window("The outbox of users", "admin:users_outbox_changelist"),
        Window("Billing's copy", "admin:billing_cacheduser_changelist"),
        Window("Invoices to look at", "admin:billing_invoice_changelist"),
    ),
)
