"""Chapter 10: the contract changes, while old and new versions of publisher and consumer run beside each other."""

from config.environment import ROOT
from messaging import contracts
from walkthrough import facts, resetting
from walkthrough.chapter import Advice, Chapter, Kind, Listing, Step, TradeOff, Window
from walkthrough.chapters import c10_contract_steps as steps
from walkthrough.stage import Stage


def starts(stage: Stage) -> None:
    resetting.reset()
    stage.check("Billing has a copy of every user, and it agrees", facts.agree(), facts.in_words())
    found = contracts.stale("users", ROOT / "users" / "contracts")
    stage.check("The committed contracts are what the code publishes", not found, ", ".join(found))


CHAPTER = Chapter(
    number=10,
    slug="contract",
    title="Change the contract",
    question="How does an event get another field, or another name for one?",
    situation="""
Publisher and consumers are deployed at different times, by different people. And events outlive both deployments: they wait in the
outbox and in queues, and come again by `replay`. So every change of a contract meets old readers, and every new reader meets old events.
In the monolith a rename was one commit and one migration.
""",
    change="""
The schemas of all events are **committed** as data, and `write_contracts --check` holds the code against them in the build. What has a
default may be added. Anything else becomes a **new version of the type**, published beside the old one for a while. The consumer's
table lists both; the old version has an **upcaster**, which lifts it to the new one, so that the handler itself knows only one.
""",
    still_wrong="""
The old version stays for as long as one register lists it, and somebody has to ask those consumers to move. That is work between
people, and no tool takes it over; `consumers list` says whom to ask. And the contexts of this walkthrough still run side by side, as
one set of processes. [Chapter 11](11) moves one out.
""",
    starts=starts,
    steps=(
        Step(
            "new-field",
            "Add a field",
            "Tomorrow's users says until when somebody is suspended. Billing stays as it is.",
            steps.new_field,
        ),
        Step("rename", "Rename a field", "“status_since” is too long for somebody. The build is asked.", steps.rename, Kind.BREAK),
        Step(
            "ship",
            "Ship it all the same",
            "The check was skipped, and the rename is out. Billing reads the old name.",
            steps.ship,
            Kind.BREAK,
        ),
        Step(
            "publisher",
            "Publish both versions",
            "Tomorrow's users announces each suspension twice, as version 1 and as version 2, in one transaction. Billing is the old one.",
            steps.publisher,
            Kind.MEND,
        ),
        Step(
            "consumer",
            "Lift the old version",
            "Tomorrow's billing takes over the queue. The old publisher and the new one both send.",
            steps.consumer,
            Kind.MEND,
        ),
    ),
    listings=(
        Listing("walkthrough/chapters/c10_contract_steps.py", "NEWER_BILLING", "All that tomorrow's billing changes."),
        Listing("messaging/handlers.py", "Handler", "A reader per version; `upcast` makes the newest of an older one."),
        Listing("messaging/compatibility.py", "_of_object", "Which change goes on with old readers and old events."),
        Listing("users/contracts/users.user.suspended.v1.json", "", "The committed contract: what everybody may rely on."),
    ),
    trade_offs=(
        TradeOff(
            "Two versions beside each other",
            "Either side may be deployed first, and go back",
            "Two events a change, until the old version goes",
        ),
        TradeOff(
            "An upcaster at the consumer",
            "The handler knows one version; replays of old events work for ever",
            "One small reader and one function for each old version",
        ),
        TradeOff(
            "An alias in the reader instead (`AliasChoices`)",
            "One line, where a field only changed its name",
            "Can't split, merge or compute; nobody sees when it may go",
        ),
        TradeOff(
            "Closed lists of values in the contract",
            "A consumer knows that it handles every case",
            "A new value is a new version of the type",
        ),
    ),
    advice=(
        Advice(
            "Renaming a column that three teams read",
            "Expand, migrate, contract: add the new name beside the old, move the readers one by one, drop the old name when nobody "
            "reads it. A contract with a register tells you when that is; a shared table never does.",
            ("manage.py consumers list",),
        ),
        Advice(
            "Serializers that dump the whole model (`fields = '__all__'`)",
            "Write down what leaves, field by field, and commit its schema. Then a migration can't change what others get without a red build.",
            ("manage.py write_contracts users", "manage.py write_contracts users --check"),
        ),
        Advice(
            "Celery tasks whose arguments change",
            "A task's signature is a contract too: old calls wait in the queue while the new code starts. Add arguments with a default; for "
            "anything else add a new task, and keep the old name until its queue is empty.",
        ),
    ),
    windows=(
        Window("Who reads which version", "admin:users_consumer_changelist"),
        Window("Parked messages", "admin:billing_parkedmessage_changelist"),
        Window("Events as they were recorded", "admin:users_outbox_changelist"),
    ),
)
