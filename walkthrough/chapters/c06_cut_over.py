"""Chapter 6: cut over. The rows move beside live writes, and billing moves to its own copy; each step has a way back."""

from walkthrough.chapter import Advice, Chapter, Kind, Listing, Step, TradeOff, Window
from walkthrough.chapters import c06_cut_over_steps as steps

CHAPTER = Chapter(
    number=6,
    slug="cut-over",
    title="Cut over",
    question="How does a running system change horses in midstream, and change back?",
    situation="""
Everything is built: two contexts, a feed, a copy that fills itself. So far you tried it beside the monolith, with rows of its own. Your
real rows are still in the monolith, written to day and night. There is no weekend on which it may be closed, and nobody will sign "we
copy all of it and hope".
""",
    change="""
Make it two moves. Here the rows go first; they may as well go last, as in the list of [chapter 12](12). The **rows**: the new context
follows the monolith's feed, as any consumer would, until fingerprints are equal; then writers are held for a moment and the ownership is flipped, and the monolith follows the new owner, which is the way back.
A guard in both databases refuses whoever writes on the wrong side. The **readers**: billing goes from the old source to *shadow*,
where the old one decides and the copy is only compared, and through a gate to its own copy.
""",
    still_wrong="""
The copy was right on the day of the cut-over, and a gate has seen to it. Who sees to it afterwards? From now on billing hears of users by
events, and a bug at the publisher can keep them back without any error anywhere. [Chapter 7](7) lets an hour pass like that.
""",
    starts=steps.starts,
    steps=(
        Step(
            "copy",
            "Copy the rows",
            "Users and invoices are copied out of the monolith. An application writes to it all the time.",
            steps.copy,
        ),
        Step("flip", "Flip the ownership", "Writers are held, both sides compared, the rows handed over.", steps.flip),
        Step(
            "back",
            "Go back, and forward again",
            "Under the same writes. A step without a way back is a bet. Then the invoices follow.",
            steps.back,
        ),
        Step(
            "shadow",
            "Read in the shadow",
            "Billing gets its copy; the monolith decides, and each answer is compared.",
            steps.shadow,
        ),
        Step(
            "tamper",
            "Tamper with the copy, and try to cut over",
            "One row of the copy is changed by hand. Then somebody wants to go on to the copy all the same.",
            steps.tamper,
            Kind.BREAK,
        ),
        Step(
            "repair",
            "Repair, and cut over",
            "The difference is found and mended, and the gate is asked again.",
            steps.repair,
            Kind.MEND,
        ),
        Step(
            "roll-back",
            "Roll back, and forward again",
            "It is Monday, the phone rings. Back first, then find out why; nothing is restarted.",
            steps.roll_back,
        ),
    ),
    listings=(
        Listing("messaging/handover.py", "hand_over", "The flip: hold, catch up, compare, take, give."),
        Listing("billing/sources/shadow.py", "Shadow", "The old source answers; the copy is compared."),
        Listing("billing/cutovers.py", "gate", "What must be there before the copy may decide."),
    ),
    trade_offs=(
        TradeOff(
            "Follow, then flip",
            "A pause of well under a second; a way back",
            "Both sides must be kept in step until one is retired",
        ),
        TradeOff("Write to both sides", "No pause at all", "Two truths, and one of the two writes fails some day"),
        TradeOff("A weekend with the site closed", "Simple, if it is enough", "One try, and no way back on Monday"),
        TradeOff("Shadow reads", "The copy is proved by real questions", "Both sides are asked for a while, and both must run"),
    ),
    advice=(
        Advice(
            "Batch jobs and Celery tasks that take model instances",
            "A task queued before the flip writes after it. Let tasks carry ids, read the row when they run, and go where the guard sends them.",
            ("manage.py split users", "manage.py split users --flip --max-pause 5s"),
        ),
        Advice(
            "`transaction.atomic()` over users and invoices",
            "After the flip it covers one of them. Find these blocks before you flip: what is in one today has to be an event, or a state that somebody completes later.",
            ("grep -rn -A15 'transaction.atomic' --include='*.py' . | grep -E 'user\\.save|invoice'",),
        ),
        Advice(
            "Signals and admin inlines that write across",
            "They run in the old code's transaction and write to both tables. As soon as one of the two has moved they are refused, and the whole transaction with them. So take them out before the first flip, or flip both sides on the same day.",
            ("grep -rnE '@receiver|TabularInline|StackedInline' --include='*.py' .",),
        ),
        Advice(
            "Foreign keys from forty other tables to the one that moves",
            "They hold as long as the old table follows. But it follows a moment later: code that registers a user and writes a `Profile` right after gets an `IntegrityError` until the row has come. Wait for the row there, or turn that key into an id first. Retire after the last key has gone.",
            ("manage.py split users --status",),
        ),
        Advice(
            "Reports and admin pages that join the old tables",
            "Leave them where they are: the old tables follow the new owner, so reports go on working while you replace them one by one. Retire when nobody reads there any more.",
            ("manage.py split users --status", "manage.py split users --retire"),
        ),
        Advice(
            '"We\'ll put a feature flag around it"',
            "Do, and let it have three positions: old, shadow, new. A flag with two of them is a cut-over without a look.",
            ("manage.py cutover billing --to shadow", "manage.py cutover billing"),
        ),
    ),
    windows=(
        Window("Who owns the monolith's users, and who follows", "admin:monolith_ownership_changelist"),
        Window("What shadow reads found", "admin:billing_shadowmismatch_changelist"),
        Window("Every step of the cut-over, with who and why", "admin:billing_cutoverstep_changelist"),
    ),
)
