"""The parts of `make bench`, their commands at each size, and the lines of the table that they fill."""

from dataclasses import dataclass

from benchmarks.harness import Measure, Part, Step
from messaging.events.text import plural

OURS = "ours"
PATTERN, OUTBOX, KEPT, COMMIT = (
    "django-outbox-pattern",
    "django-celery-outbox",
    "django-celery-outbox, connections kept",
    "on_commit(task.delay)",
)
COPY, PAGES, ONE, LIST, DUMP = "COPY", "DRF offset pages", "a GET per user", "list of id and version", "full dump"
TRANSACTION = "one transaction"
RATES = (10, 100, 1000)


@dataclass(frozen=True)
class Size:
    """The size of a benchmark. `events`: for the project's outbox; `others`: for the alternatives, which would take minutes for as
    many. `seconds`: of each steady rate. `bootstrap`: users for the project and the alternatives; `growth`: for the project alone;
    `live`: with live changes. `reconcile`: users, and how many differ. `phase`: seconds of a phase of the sequencer. `counts`:
    events in a round of a stage. `tracking`: users that are older than the ledger; results from before this part have none."""

    events: int
    others: int
    rates: tuple[int, ...]
    seconds: float
    bootstrap: tuple[int, ...]
    growth: tuple[int, ...]
    reconcile: int
    differences: tuple[int, ...]
    live: tuple[int, ...]
    split: int
    phase: float
    counts: tuple[int, ...]
    tracking: int = 0


SIZES = {
    "tiny": Size(
        events=200,
        others=30,
        rates=(10, 100),
        seconds=0.5,
        bootstrap=(300,),
        growth=(),
        reconcile=500,
        differences=(0, 10),
        live=(300,),
        split=300,
        phase=0.5,
        counts=(1, 10),
        tracking=300,
    ),
    "default": Size(
        events=20_000,
        others=400,
        rates=RATES,
        seconds=2,
        bootstrap=(100_000,),
        growth=(10_000,),
        reconcile=1_000_000,
        differences=(0, 10, 100),
        live=(),
        split=30_000,
        phase=3,
        counts=(1, 10, 100, 1000),
        tracking=100_000,
    ),
    "full": Size(
        events=50_000,
        others=2_000,
        rates=RATES,
        seconds=10,
        bootstrap=(100_000, 1_000_000),
        growth=(10_000,),
        reconcile=1_000_000,
        differences=(0, 10, 100, 10_000),
        live=(100_000,),
        split=500_000,
        phase=10,
        counts=(1, 10, 100, 1000),
        tracking=1_000_000,
    ),
}


def parts(size: Size) -> list[Part]:
    return [relay(size), bootstrap(size), split(size), tracking(size), sequencer(size), stages(size), reconcile(size)]


def relay(size: Size) -> Part:
    steady = ("--rates", ",".join(map(str, size.rates)), "--seconds", f"{size.seconds:g}", "--json")
    other, counted = "benchmarks.alternatives.relay", ("--events", str(size.others), *steady)
    steps = (
        Step(OURS, ("benchmarks.relay_to_cache", "--events", str(size.events), *steady)),
        Step(PATTERN, (other, "outbox_pattern", *counted)),
        Step(OUTBOX, (other, "celery_outbox", *counted)),
        Step(KEPT, (other, "celery_outbox", "--keep-connections", *counted)),
        Step(COMMIT, (other, "on_commit", "--keep-connections", *counted)),
        Step(COPY, ("benchmarks.copying", "--rows", str(size.events), "--runs", "{runs}", "--json"), once=True),
    )
    relays = (OURS, PATTERN, OUTBOX, KEPT, COMMIT)
    measures = [
        Measure("events a second", {**_each(relays, "events_per_second"), COPY: (COPY, "rows_per_second")}),
        *(
            Measure(f"{rate:,} events a second: p{place}, ms", _each(relays, f"latency.{rate}.p{place}_ms"))
            for rate in size.rates
            for place in (50, 95, 99)
        ),
        Measure("memory of the relay, MB", _each((OURS,), "relay_mb")),
        Measure("memory of the worker, MB", _each((OURS,), "worker_mb")),
    ]
    return Part("relay", "Outbox to applied cache row", steps, tuple(measures))


def bootstrap(size: Size) -> Part:
    steps: list[Step] = []
    measures: list[Measure] = []
    for users in sorted({*size.growth, *size.bootstrap}):
        counted, named = ("--users", str(users), "--json"), f", {users:,} users"
        steps.append(Step(OURS + named, ("benchmarks.bootstrap", "--quiet", *counted), limit=3600))
        ours: dict[str, tuple[str, str]] = {OURS: (OURS + named, "rows_per_second")}
        if users in size.bootstrap:
            again = ("--runs", "{runs}", *counted)
            pages = PAGES + named
            steps.append(Step(pages, ("benchmarks.alternatives.pages.bootstrap", *again), once=True, limit=3600))
            steps.append(
                Step(COPY + named, ("benchmarks.copying", "--rows", str(users), *again[:2], "--json"), once=True, limit=1200)
            )
            ours |= {
                PAGES: (pages, "offset_pages.rows_per_second"),
                ONE: (pages, "one_by_one.rows_per_second"),
                COPY: (COPY + named, "rows_per_second"),
            }
        measures.append(Measure(f"{users:,} users: rows a second", ours))
        measures += [
            Measure(f"{users:,} users: {what}", {OURS: (OURS + named, figure)}, digits)
            for what, figure, digits in (
                ("processor's time a row at the authority, µs", "authority_cpu_us_per_row", 1),
                ("processor's time a row at the consumer, µs", "consumer_cpu_us_per_row", 1),
                ("memory of the authority's web server, MB", "authority_mb", 0),
                ("memory of the consumer, MB", "consumer_mb", 0),
            )
        ]
    for users in size.live:
        live = f"beside 100 changes a second, {users:,} users"
        steps.append(Step(live, ("benchmarks.bootstrap", "--users", str(users), "--json"), limit=1200))
        measures += [
            Measure(f"{live}: rows a second", {OURS: (live, "rows_per_second")}),
            Measure(f"catch-up after {min(users, 100_000):,} changes: rows a second", {OURS: (live, "catch_up_rows_per_second")}),
        ]
    return Part("bootstrap", "Bootstrap of an empty copy", tuple(steps), tuple(measures))


def reconcile(size: Size) -> Part:
    counted = ("--users", str(size.reconcile), "--runs", "{runs}", "--json")
    differ = ",".join(map(str, size.differences))
    steps = (
        Step(OURS, ("benchmarks.reconcile", "--differences", differ, *counted), once=True, limit=1200),
        Step(LIST, ("benchmarks.alternatives.pages.reconcile", "--differences", "10", *counted), once=True, limit=1200),
    )
    measures = [
        Measure(
            f"{number:,} of {size.reconcile:,} differ: {unit}",
            {OURS: (OURS, f"{number}.{name}"), LIST: (LIST, f"versions.{name}"), DUMP: (LIST, f"dump.{name}")},
            digits,
        )
        for number in size.differences
        for name, unit, digits in (("bytes", "bytes", 0), ("round_trips", "round trips", 0), ("seconds", "seconds", 2))
    ]
    return Part("reconcile", "Comparison of a copy with its authority", steps, tuple(measures))


def split(size: Size) -> Part:
    counted = ("benchmarks.split", "--users", str(size.split), "--json")
    steps = (Step(OURS, counted), Step(COPY, (*counted, "--by", "copy")))
    measures = (
        Measure(f"{size.split:,} users: rows a second of the load", _each((OURS, COPY), "rows_per_second")),
        Measure("writers are held, ms", _each((OURS, COPY), "pause_ms")),
        Measure("the longest that one write took, ms", _each((OURS, COPY), "longest_wait_ms")),
    )
    return Part("split", "Split, beside 100 writes a second", steps, measures)


def tracking(size: Size) -> Part:
    counted = ("benchmarks.tracking", "--users", str(size.tracking), "--json")
    steps = (Step(OURS, counted, limit=1200), Step(TRANSACTION, (*counted, "--by", "transaction")))
    measures = (
        Measure(
            f"{size.tracking:,} older users: the longest that one write took, ms", _each((OURS, TRANSACTION), "longest_wait_ms")
        ),
        Measure("rows entered a second", _each((OURS, TRANSACTION), "rows_per_second")),
    )
    return Part("tracking", "Tracking a table, beside a writer", steps, measures)


def sequencer(size: Size) -> Part:
    command = ("benchmarks.sequencer", "--seconds", f"{size.phase:g}", "--runs", "{runs}", "--json")
    measures = (
        Measure("changes a second of two writers", {OURS: (OURS, "with"), "without positions": (OURS, "without")}),
        Measure("cost to the writers, %", {OURS: (OURS, "cost_percent")}, digits=1),
    )
    return Part("sequencer", "Positions after the commit", (Step(OURS, command, once=True),), measures)


def stages(size: Size) -> Part:
    command = ("benchmarks.stages", "--counts", ",".join(map(str, size.counts)), "--runs", "{runs}", "--json")
    measures = [
        Measure(f"{stage}: {plural(count, 'event')}, ms", {OURS: (OURS, f"{stage}.{count}")}, digits=2)
        for stage in ("sequencer", "relay", "worker")
        for count in size.counts
    ]
    measures += [
        Measure(f"bytes of a row of {table}, indexes included", {OURS: (OURS, f"bytes.{table}")})
        for table in ("users_user", "messaging_ledger", "published", "billing_cacheduser", "received")
    ]
    return Part("stages", "What a round of each stage costs", (Step(OURS, command, once=True),), tuple(measures))


def _each(cases: tuple[str, ...], path: str) -> dict[str, tuple[str, str]]:
    return {case: (case, path) for case in cases}
