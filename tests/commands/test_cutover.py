"""`cutover billing`: a gate that says what is missing, steps back that are always open, and running processes that follow."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing import cutovers
from billing.models import CachedUser, Cutover, CutoverStep, Invoice, ShadowMismatch
from messaging.models import Subscription
from messaging.replica import pull, search
from messaging.replica.replica import Replica
from monolith.models import User as MonolithUser
from tests.commands.calling import call
from tests.delivery.stack import Stack
from tests.messaging.conftest import api  # noqa: F401  (a fixture)
from users.models import User
from users.services import user_suspend

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ROOT = Path(__file__).parents[2]
DEAD = "http://127.0.0.1:9"
#: A small worker: it starts once, and issues invoices for each month that it reads.
LONG_LIVED = """
import sys, django, json
django.setup()
from billing.services import invoices_generate
for line in sys.stdin:
    run = invoices_generate(period=line.strip())
    print(json.dumps([run.source, run.issued]), flush=True)
"""


def cutover(*words):
    return call("cutover", "billing", *words)


def steps():
    return list(CutoverStep.objects.order_by("id").values_list("before", "after", "forced"))


def tamper(number=1):
    """Make the copy say that so many active users are suspended."""
    rows = CachedUser.objects.filter(status="active")[:number].values_list("pk", flat=True)
    return CachedUser.objects.filter(pk__in=list(rows)).update(status="suspended")


def repair():
    return call("reconcile", "billing", "--from", "users", "--repair")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(search, "SETTLE_SECONDS", 0.02)


@pytest.fixture
def split(api):  # noqa: F811
    """Make the same 24 users in the monolith, at `users`, and in billing's copy, which is live."""
    call_command("seed_monolith", "--users", "24", "--suspended", "0.1", "--json")
    call_command("seed", "--users", "24", "--suspended", "0.1", "--json")
    pull.catch_up(Replica.of("billing", "users"))
    Subscription.objects.using("billing").update(state="live")


@pytest.fixture
def shadow(split):
    """Move billing to shadow, with the monolith as old source."""
    cutover("--to", "monolith")
    assert cutover("--to", "shadow").code == 0


def generate(period="2026-11"):
    return call("generate_invoices", "--period", period, "--json")


def test_the_way_there_and_back_in_a_running_system(shadow):
    assert generate().json["source"] == "shadow"
    ended = cutover("--to", "cache", "--json")
    assert (ended.code, ended.json["source"], ended.json["moved"], ended.json["forced"]) == (0, "cache", True, False)
    assert generate("2026-12").json["source"] == "cache"
    for back in ("monolith", "api", "shadow"):
        assert cutover("--to", back).code == 0
        assert generate("2027-01").json["source"] == back
    assert steps() == [
        ("cache", "monolith", False),
        ("monolith", "shadow", False),
        ("shadow", "cache", False),
        ("cache", "monolith", False),
        ("monolith", "api", False),
        ("api", "shadow", False),
    ]
    assert Cutover.objects.get().old == "api"


def test_one_mismatch_refuses_and_its_repair_lets_pass(shadow):
    tamper()
    assert generate().json["issued"] == 22  # the monolith answered, so the wrong copy did no harm
    ended = cutover("--to", "cache", "--json")
    assert ended.code == 3
    assert ended.err.startswith("Billing stays with the old source, compared with the cache. Fingerprints differ: 1 corrupt.")
    assert "1 shadow mismatch is open (" in ended.err
    assert "monolith says active (v1), the cache says suspended (v1)" in ended.err
    assert (ended.json["source"], ended.json["mismatches"], len(ended.json["lacks"])) == ("shadow", 1, 2)
    assert repair().code == 0
    assert cutover("--to", "cache").code == 0
    assert ShadowMismatch.objects.get().settled_at is not None
    assert generate("2026-12").json == {
        "issued": 22, "skipped": 2, "held": 0, "already": 0, "source": "cache", "calls": 0, "seconds": 0.0,
        "reason": generate("2026-12").json["reason"],
    }  # fmt: skip


def test_a_mismatch_alone_refuses_though_fingerprints_are_equal(shadow):
    user = MonolithUser.objects.filter(status="active")[0]
    MonolithUser.objects.filter(pk=user.pk).update(status="suspended")  # `users` doesn't know this
    generate()
    ended = cutover("--to", "cache", "--json")
    assert ended.code == 3
    (lack,) = ended.json["lacks"]
    assert lack.startswith(
        f"1 shadow mismatch is open ({str(user.pk)[:8]}: monolith says suspended (v2), the cache says active (v1))"
    )


def test_many_mismatches_are_counted_and_some_are_named(shadow):
    tamper(5)
    generate()
    (_, lack) = cutover("--to", "cache", "--shadow-reads", "19", "--json").json["lacks"]
    assert lack.startswith("5 shadow mismatches are open (")
    assert lack.count(" says ") == 6
    assert "; and 2 more)" in lack


def test_reads_that_agreed_are_counted_since_the_last_change_to_shadow(shadow):
    ended = cutover("--to", "cache", "--json")
    assert ended.code == 3
    assert ended.json["lacks"] == ["0 of 20 shadow reads agreed so far. Run: manage.py generate_invoices, which reads every user."]
    generate()
    assert cutover("--to", "cache", "--shadow-reads", "25").code == 3
    cutover("--to", "monolith")
    cutover("--to", "shadow")
    assert cutover("--json").json["agreed"] == 0
    generate()
    assert cutover("--to", "cache", "--shadow-reads", "24").code == 0


def test_the_gate_to_the_cache_needs_shadow(split):
    cutover("--to", "monolith")
    ended = cutover("--to", "cache")
    assert ended.code == 3
    assert (
        "Shadow reads are off, so the copy isn't compared with the old source. Run: manage.py cutover billing --to shadow."
        in ended.err
    )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"state": "bootstrapping"},
            "The bootstrap isn't finished: the copy of users is bootstrapping. Run: manage.py bootstrap billing",
        ),
        ({"state": "unreachable"}, "users doesn't answer, so the copy may be incomplete. Check with: manage.py status."),
        ({"partial": True}, "The bootstrap left out earlier users (--from-now), so the copy is incomplete."),
    ],
)
def test_a_copy_that_is_not_whole_refuses(shadow, values, sentence):
    generate()
    Subscription.objects.using("billing").update(**values)
    ended = cutover("--to", "cache")
    assert ended.code == 3
    assert sentence in ended.err


def test_the_gate_refuses_if_fingerprints_can_not_be_compared(shadow, settings):
    generate()
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: DEAD}
    ended = cutover("--to", "cache")
    assert ended.code == 3
    assert f"Fingerprints can't be compared: users doesn't answer at {DEAD}" in ended.err


def test_a_mismatch_that_can_not_be_read_again_stays_open(split, settings):
    cutover("--to", "api")
    cutover("--to", "shadow")
    tamper()
    generate()
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: DEAD}
    ended = cutover("--to", "cache")
    assert ended.code == 3
    assert "1 shadow mismatch is open, and can't be read again: Billing is down, because it reads users from the API" in ended.err


def test_force_passes_and_is_written_down(shadow):
    tamper()
    generate()
    ended = cutover("--to", "cache", "--force", "--reason", "month's end")
    assert ended.code == 0
    assert "Forced; the history in the admin says so. month's end Lacked: Fingerprints differ: 1 corrupt." in ended.out
    step = CutoverStep.objects.all()[0]
    assert (step.before, step.after, step.forced) == ("shadow", "cache", True)
    assert step.by
    assert "1 shadow mismatch is open" in step.reason


def test_force_where_nothing_is_missing_forces_nothing(shadow):
    generate()
    assert cutover("--to", "cache", "--force", "--json").json["forced"] is False
    assert CutoverStep.objects.all()[0].forced is False


def test_moving_to_the_present_source_is_no_step(shadow):
    generate()
    ended = cutover("--to", "shadow", "--json")
    assert (ended.code, ended.json["moved"], ended.json["agreed"]) == (0, False, 24)
    assert len(steps()) == 2


def test_two_at_once_the_second_is_refused(shadow, monkeypatch):
    def meanwhile(cutover, *, wanted):
        Cutover.objects.update(source="api")
        return []

    monkeypatch.setattr(cutovers, "gate", meanwhile)
    ended = cutover("--to", "cache")
    assert ended.code == 3
    assert "Another process has just moved billing to api. Check with: manage.py cutover billing" in ended.err
    assert len(steps()) == 2


def test_without_to_it_shows_the_present_source(split):
    ended = cutover("--json")
    assert (ended.code, ended.json["source"], ended.json["since"], ended.json["lacks"]) == (0, "cache", None, [])
    assert "Billing reads users from its own cache (the default)." in cutover().out
    cutover("--to", "monolith")
    cutover("--to", "shadow")
    tamper()
    generate()
    text = cutover().out
    assert "Billing reads users from the old source, compared with the cache since 20" in text
    assert "The answers come from the monolith's tables. 23 shadow reads agreed; the cache needs 20." in text
    assert "Open shadow mismatches: 1." in text
    assert "Missing before the cache may answer:\n- Fingerprints differ: 1 corrupt." in text
    repair()
    assert "The cache may answer: manage.py cutover billing --to cache" in cutover().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["users", "--to", "api"], "'users' can't choose a source of users. Only billing can."),
        (["billing", "--to", "cache", "--shadow-reads", "-1"], "can't be less than 0"),
        (["billing", "--to", "api", "--force"], "--force is only for --to cache"),
        (["billing", "--force"], "--force is only for --to cache"),
    ],
)
def test_wrong_usage(words, sentence):
    ended = call("cutover", *words)
    assert ended.code == 2
    assert sentence in ended.err


def test_an_unknown_source_is_wrong_usage():
    with pytest.raises(CommandError, match="invalid choice: 'nowhere'"):
        call_command("cutover", "billing", "--to", "nowhere")


def test_a_process_without_the_monolith_can_not_choose_it(settings):
    settings.BILLING = {"SOURCES": {name: path for name, path in settings.BILLING["SOURCES"].items() if name != "monolith"}}
    ended = cutover("--to", "monolith")
    assert ended.code == 3
    assert "This process can't read the monolith's tables. Add its context to CONTEXTS and restart" in ended.err
    assert cutover("--to", "shadow").code == 0
    assert Cutover.objects.get().old == "api"


def test_a_process_that_runs_all_the_time_follows_without_a_restart(split):
    user_suspend(user_id=User.objects.filter(status="active")[0].pk, reason="only users and its copy know")
    pull.catch_up(Replica.of("billing", "users"))
    process = subprocess.Popen(
        [sys.executable, "-c", LONG_LIVED],
        cwd=ROOT,
        env={**Stack("memory://").environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    asked: Any = process.stdin
    answers: Any = process.stdout

    def told(period):
        print(period, file=asked, flush=True)
        return json.loads(answers.readline())

    try:
        assert told("2026-11") == ["cache", 21]
        cutover("--to", "monolith")
        assert told("2026-12") == ["monolith", 22]
        cutover("--to", "shadow")
        assert told("2027-01") == ["shadow", 22]
        assert ShadowMismatch.objects.count() == 1
        cutover("--to", "cache", "--force")
        assert told("2027-02") == ["cache", 21]
    finally:
        asked.close()
        process.wait(timeout=30)
    assert Invoice.objects.using("billing").count() == 21 + 22 + 22 + 21


def test_billing_is_down_because_users_is_down(split, settings):
    cutover("--to", "api")
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: DEAD}
    ended = generate()
    assert ended.code == 3
    assert ended.err.startswith(
        "24 users are held. Billing is down, because it reads users from the API of users and gets no answer"
    )
    assert "Run this command again when users answers. Issued invoices stay, and nobody is billed twice." in ended.err
    assert (ended.json["issued"], ended.json["held"], ended.json["source"]) == (0, 24, "api")
    assert not Invoice.objects.using("billing").exists()


def test_the_cost_of_the_calls_is_reported(split):
    cutover("--to", "api")
    ended = generate()
    assert (ended.json["issued"], ended.json["calls"]) == (22, 24)
    assert ended.json["seconds"] > 0
    text = call("generate_invoices", "--period", "2026-11").out
    assert "Read from api: 24 calls, " in text
