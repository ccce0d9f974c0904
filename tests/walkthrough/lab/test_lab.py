"""The lab without a browser: what each damage does, what the chart draws, what the story tells, and what is refused."""

import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape as html_unescape

import pytest
from django.test import Client
from django.utils import timezone
from django_outbox_pattern.models import Published

from billing.models import CachedUser, Invoice
from billing.services import invoice_mark_overdue
from messaging.consumer import checkpoints, incoming, parked
from messaging.consumer.inbox import receive
from messaging.ledger import sequencer
from messaging.models import Parked, Subscription
from messaging.settings import Alias
from tests.walkthrough.views.test_page import deliver, register_consumers
from users.models import User
from users.services import user_erase, user_register, user_suspend
from walkthrough.control import broker, faults
from walkthrough.control.processes import Seen
from walkthrough.flow.text import TEXT, width
from walkthrough.lab import processes
from walkthrough.lab.charts import chart
from walkthrough.lab.history import History, Mark, Sample, sample
from walkthrough.lab.processes import Process
from walkthrough.lab.timeline import timeline
from walkthrough.observe import facts
from walkthrough.observe.side_by_side import ROWS

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
HTMX = {"HX-Request": "true"}


@pytest.fixture
def user() -> User:
    user = user_register(email="ada@example.org", name="Ada")
    register_consumers()
    deliver("users", "billing")
    return user


@pytest.fixture(autouse=True)
def _mended() -> Iterator[None]:
    yield
    faults.mend_all()


def test_the_page_reads_without_a_running_system(client: Client, user: User) -> None:
    html = client.get(f"/lab/?user={user.pk}").content.decode()
    assert "The story of Ada" in html
    assert "relay-users" in html
    assert ">not supervised</span>" in html  # the page says that nothing runs here
    assert "http://" not in html.replace("http://www.w3.org", "")


@pytest.mark.parametrize("kind", ["missing", "stale", "corrupt", "ghost", "ahead"])
def test_each_damage_is_the_drift_that_it_is_called(client: Client, user: User, kind: str) -> None:
    user_suspend(user_id=user.pk, reason="a second version, so that there is one to go back to")
    deliver("users", "billing")
    assert facts.agree()
    response = client.post(f"/lab/damage/{kind}/", headers=HTMX)
    assert response.status_code == 200
    assert list(facts.differing().values()) == [kind]
    assert f">{kind}<" in response.content.decode()


@pytest.mark.parametrize("kind", ["missing", "stale", "corrupt", "ahead", "silent"])
def test_damage_names_the_row_as_the_table_does(client: Client, user: User, kind: str) -> None:
    html = client.post(f"/lab/damage/{kind}/", headers=HTMX).content.decode()
    said = html.partition('<div id="said"')[2].partition("</div>")[0]
    assert "Ada" in said
    assert str(user.pk)[:8] not in said
    assert "None" not in said


def test_damage_to_a_nameless_row_says_the_short_id_that_the_table_shows(client: Client, user: User) -> None:
    user_erase(user_id=user.pk)
    deliver("users", "billing")
    html = client.post("/lab/damage/missing/", headers=HTMX).content.decode()
    assert f"Billing&#x27;s row of the erased user {str(user.pk)[:8]} is deleted." in html
    assert f"<i>erased</i><small>{str(user.pk)[:8]}</small>" in html
    ghost = client.post("/lab/damage/ghost/", headers=HTMX).content.decode()
    found = re.search(r"Billing has a row of a user (\w{8}) that the users context never had\.", ghost)
    assert found
    assert f"<i>unknown</i><small>{found[1]}</small>" in ghost


def test_damage_hits_only_rows_that_the_table_shows(client: Client, user: User) -> None:
    for number in range(ROWS):
        newer = user_register(email=f"u{number}@example.org", name=f"U{number}")
        user_suspend(user_id=newer.pk, reason="only Ada is active, and she isn't shown")
    html = client.post("/lab/damage/silent/", headers=HTMX).content.decode()
    assert "The table shows no active user." in html
    assert User.objects.get(pk=user.pk).status == "active"
    html = client.post("/lab/damage/missing/", headers=HTMX).content.decode()
    assert "The table shows no row of billing to damage." in html
    assert CachedUser.objects.using("billing").filter(pk=user.pk).exists()


def test_one_damage_after_the_other_hits_rows_that_are_in_step(client: Client, user: User) -> None:
    user_register(email="bob@example.org", name="Bob")
    deliver("users", "billing")
    for kind in ("corrupt", "ahead"):
        client.post(f"/lab/damage/{kind}/", headers=HTMX)
    assert sorted(facts.differing().values()) == ["ahead", "corrupt"]


@pytest.mark.parametrize("path", ["/lab/live/", "/lab/live/?user={}", "/live/"])
def test_what_takes_the_focus_has_an_id_because_each_second_it_is_replaced(client: Client, user: User, path: str) -> None:
    """The page gives the focus back to the element with the same id, so that the keyboard's place isn't lost."""
    html = client.get(path.format(user.pk)).content.decode()
    found = re.findall(r'<(?:a|button|summary)\b[^>]*>|<[^>]* tabindex="0"[^>]*>', html)
    assert len(found) > 2
    assert [one for one in found if ' id="' not in one] == []
    ids = re.findall(r' id="([^"]+)"', " ".join(found))
    assert len(ids) == len(set(ids))


def state(client: Client) -> str:
    """The words of the state line."""
    html = client.get("/lab/live/").content.decode()
    line = html.partition('class="broken">')[2].partition("</p>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", line).split())


def test_the_state_line_is_green_only_where_nothing_is_wrong(client: Client, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = [Process("relay-users", "sends", "RUNNING")]
    monkeypatch.setattr(processes, "listed", lambda: everything)
    assert state(client) == "Nothing is broken"
    CachedUser.objects.using("billing").update(status="suspended")
    assert state(client) == "1 row shown differs: 1 corrupt"
    client.post("/lab/damage/ghost/", headers=HTMX)
    assert state(client) == "2 rows shown differ: 1 ghost, 1 corrupt"
    receive("billing", ["no event"])
    faults.switch("drop", True)
    everything.append(Process("tend-billing", "pulls", "STOPPED"))
    assert state(client) == (
        "Drop deliveries tend-billing stopped 2 rows shown differ: 1 ghost, 1 corrupt 1 message parked at billing"
    )


def test_a_copy_in_doubt_stands_in_the_state_line_with_its_reason(client: Client, user: User) -> None:
    Subscription.objects.using("billing").filter(authority="users").update(doubt="users was set back: it is at position 21.")
    assert "Billing's copy is doubtful" in html_unescape(state(client))
    page = html_unescape(client.get("/lab/live/").content.decode())
    assert "Billing's copy: doubtful" in page
    assert (
        "users was set back: it is at position 21. No decision treats the copy as fresh until a comparison finds that it is equal."
        in page
    )


def test_a_copy_that_only_the_walkthrough_s_question_confirmed_has_no_age(client: Client, user: User) -> None:
    Subscription.objects.using("billing").filter(authority="users").update(confirmed_at=None)
    checkpoints.record_heartbeat("billing", "users", 0, broker.LONG_AGO)
    assert sample().staleness is None
    assert "last confirmed never" not in (html := client.get("/lab/live/").content.decode())
    assert "never confirmed" in html


def test_a_write_past_the_services_has_no_event(client: Client, user: User) -> None:
    before = facts.recorded()
    assert "suspended by an SQL UPDATE, without an event." in client.post("/lab/damage/silent/", headers=HTMX).content.decode()
    assert list(facts.differing().values()) == ["stale"]
    assert facts.recorded() == before
    assert "no event was recorded" in [line.detail for line in timeline(user.pk).lines]


def test_a_fault_is_switched_on_and_off(client: Client) -> None:
    assert 'aria-checked="true"' in client.post("/lab/fault/drop/on/", headers=HTMX).content.decode()
    assert faults.switched_on() == {"drop"}
    assert client.post("/lab/fault/drop/off/").status_code == 302
    assert faults.switched_on() == frozenset()


@pytest.mark.parametrize(
    "path", ["fault/nothing/on", "process/web/stop", "process/relay-users/paint", "damage/everything", "mend/nothing", "other/x"]
)
def test_what_is_no_switch_is_404(client: Client, path: str) -> None:
    assert client.post(f"/lab/{path}/").status_code == 404


def test_a_switch_is_a_post_with_a_token(user: User) -> None:
    assert Client().get("/lab/damage/ghost/").status_code == 405
    assert Client(enforce_csrf_checks=True).post("/lab/damage/ghost/").status_code == 403
    assert CachedUser.objects.using("billing").count() == 1


def test_what_cannot_be_done_now_is_a_sentence(client: Client) -> None:
    html = client.post("/lab/process/relay-users/stop/", headers=HTMX).content.decode()
    assert "The system isn&#x27;t running" in html


def test_what_is_parked_is_tried_again_and_what_was_no_event_waits_for_a_person(client: Client, user: User) -> None:
    assert "Nothing is parked." in client.post("/lab/mend/retry/", headers=HTMX).content.decode()
    user_suspend(user_id=user.pk, reason="the handler fails")
    body = Published.objects.using("users").order_by("-added").first().body  # type: ignore[union-attr]
    event, _ = incoming.read("billing", body)
    parked.park_failed(Alias("billing"), event, body, OSError("no space left"))
    receive("billing", ["no event"])
    html = client.post("/lab/mend/retry/", headers=HTMX).content.decode()
    assert "1 of 2 parked messages applied. Review the others in the admin." in html
    assert facts.agree()
    assert [row.reason for row in facts.parked()] == [Parked.objects.using("billing").get(raw="no event").reason]


def test_the_story_tells_cause_and_effect_in_both_contexts(user: User) -> None:
    invoice = Invoice.objects.create(user_id=user.pk, period="2026-11", amount_minor=1, currency="EUR", user_version=1)
    invoice_mark_overdue(invoice_id=invoice.pk)
    deliver("billing", "users")
    deliver("users", "billing")
    told = timeline(user.pk)
    lines = {(line.context, line.what): line for line in told.lines}
    assert lines["users", "User suspended: recorded"].cause == "Invoice overdue"
    overdue = lines["billing", "Invoice overdue: recorded"].correlation
    assert lines["users", "User suspended: recorded"].correlation == overdue
    assert ("users", "Invoice overdue: received") in lines
    assert ("billing", "User suspended: received") in lines
    assert [line.at for line in told.lines] == sorted((line.at for line in told.lines), reverse=True)
    assert told.copy is not None
    assert (told.copy.status, told.version) == ("suspended", 2)


def test_nobodys_story_is_empty_and_nonsense_is_404(client: Client) -> None:
    assert "Neither context knows this user." in client.get(f"/lab/?user={uuid.uuid4()}").content.decode()
    assert client.get("/lab/?user=nonsense").status_code == 404


def test_lag_counts_what_is_not_stamped_yet(user: User) -> None:
    sequencer.stamp_pending("users")
    before = sample().lag
    user_suspend(user_id=user.pk, reason="not delivered")
    assert sample().lag == before + 1


def test_a_chart_draws_its_samples_from_left_to_right() -> None:
    samples = [Sample(at, lag, None) for at, lag in ((0.0, 0), (150.0, 40), (300.0, 20))]
    drawn = chart("Lag", samples, lambda one: float(one.lag), lambda number: f"{number:.0f}", str)
    for one in drawn.drawings:
        points = [tuple(float(number) for number in pair.split(",")) for pair in one.line.split()]
        assert [x for x, _ in points] == [one.left, (one.left + one.width) / 2, one.width]
        lowest, highest, middle = (y for _, y in points)
        assert highest < middle < lowest
        assert [text.words for text in one.scale] == ["50.0", "25.0", "0.0"]
        assert one.grid[0] < highest < one.grid[1] < middle < one.grid[2] == lowest
    assert (drawn.top, drawn.now, drawn.highest) == ("50", "20", "40")
    assert chart("Staleness", samples, lambda one: one.staleness, str, str).now == "not known"


def test_a_chart_has_the_time_of_day_at_full_minutes() -> None:
    now = datetime(2026, 11, 29, 14, 3, 30, tzinfo=UTC)
    drawn = chart("Lag", [Sample(0.0, 0, None, now)], lambda one: float(one.lag), str, str)
    wide, _, narrow = drawn.drawings
    assert [text.words for text in wide.times] == ["13:59", "14:00", "14:01", "14:02", "14:03"]
    assert [text.words for text in narrow.times] == ["14:00", "14:02"]
    assert wide.times[-1].x == pytest.approx(wide.width - 30 / 300 * (wide.width - wide.left), abs=0.1)


def test_marks_stand_at_their_time_and_their_words_meet_nothing() -> None:
    marks = [Mark(at, f"relay-users stopped 14:03:{at:02.0f}") for at in (-10.0, 5.0, 100.0, 110.0, 120.0, 130.0, 295.0)]
    drawn = chart("Lag", [Sample(300.0, 0, None)], lambda one: float(one.lag), str, str, marks)
    assert drawn.marks == [mark.words for mark in marks[1:]]  # the first is older than the chart
    assert "Marks: relay-users stopped 14:03:05, relay" in drawn.label
    for one in drawn.drawings:
        assert len(one.marks) == 6
        assert one.marks[1] == pytest.approx(one.left + 100 / 300 * (one.width - one.left), abs=0.1)
        assert one.words
        places = [(text.y, text.x, text.x + width(text.words, TEXT)) for text in one.words]
        for number, (y, left, right) in enumerate(places):
            assert 0 <= left < right <= one.width
            assert y < one.grid[0]
            assert all(y != other or right < begin or end < left for other, begin, end in places[number + 1 :])


def test_the_history_notes_what_stops_starts_and_restarts() -> None:
    history, stopped = History(), timezone.now() - timedelta(seconds=40)
    runs, ended = Seen("RUNNING", None, 5), Seen("STOPPED", stopped, 0)
    for seen in (
        {"broker": ended, "relay-users": runs, "beat": ended},
        {"broker": ended, "relay-users": runs},
        {"broker": runs, "relay-users": replace(runs, pid=6)},
        {},  # the supervisor doesn't answer
        {"broker": runs, "relay-users": replace(ended, since=None)},
    ):
        history.note(seen)
    words = [mark.words for mark in history.marks]
    assert words[0] == f"broker stopped {timezone.localtime(stopped):%H:%M:%S}"
    assert [one.rpartition(" ")[0] for one in words[1:]] == ["relay-users restarted", "broker started", "relay-users stopped"]
    assert history.marks[0].at == pytest.approx(time.monotonic() - 40, abs=5)
