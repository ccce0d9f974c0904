"""`parked`: failed messages, retried or discarded by a person."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import CachedUser
from messaging.models import Parked
from tests.commands.calling import call

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def park(status="active", **changes):
    now, subject = timezone.now().isoformat(), str(uuid.uuid4())
    body = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "users",
        "type": "users.user.created.v1",
        "subject": subject,
        "time": now,
        "data": {"status": status, "status_since": now},
        "aggregateversion": 1,
        "correlationid": "story",
    }
    values = {"event_type": body["type"], "subject": subject, "envelope": body, "reason": "Broken: [was] so", **changes}
    return Parked.objects.using("billing").create(**values)


def state(row):
    row.refresh_from_db(using="billing")
    return row.state


def test_list():
    assert "No parked messages found in billing." in call("parked", "list", "billing").out
    row, settled = park(), park(state="applied")
    out = call("parked", "list", "billing").out
    assert "Broken: [was] so" in out
    assert row.subject in out
    assert settled.subject not in out
    (listed,) = call("parked", "list", "billing", "--json").json["parked"]
    assert (listed["id"], listed["state"], listed["type"]) == (row.pk, "parked", "users.user.created.v1")
    assert listed["age_seconds"] >= 0
    assert len(call("parked", "list", "billing", "--all", "--json").json["parked"]) == 2
    assert len(call("parked", "list", "billing", str(settled.pk), "--json").json["parked"]) == 1


def test_retry_applies_what_works_now():
    row, other = park(), park()
    ended = call("parked", "retry", "billing", str(row.pk))
    assert (ended.code, state(row), state(other)) == (0, "applied", "parked")
    assert f"{row.pk}: applied" in ended.out
    assert row.settled_by
    assert CachedUser.objects.using("billing").filter(pk=row.subject).exists()


def test_retry_ends_with_1_where_one_fails_again():
    good, bad, late = park(), park(status="nonsense"), park(state="retrying")
    ended = call("parked", "retry", "billing", "--all", "--json")
    assert (ended.code, ended.json["applied"], ended.json["failed"]) == (1, 2, 1)
    outcomes = {row["id"]: row["outcome"] for row in ended.json["outcomes"]}
    assert outcomes == {good.pk: "applied", bad.pk: "parked", late.pk: "applied"}
    assert (state(bad), bad.attempts) == ("parked", 1)
    assert bad.reason != "Broken: [was] so"


def test_a_failed_retry_is_reported_once():
    row = park(status="nonsense")
    ended = call("parked", "retry", "billing", str(row.pk))
    assert (ended.code, (ended.out + ended.err).count("1 of 1 message failed again")) == (1, 1)
    assert "0 applied" not in ended.out


def test_an_invalid_event_can_only_be_discarded():
    row = park(envelope=None, raw="no json", reason="The message can't be read: decode error.")
    ended = call("parked", "retry", "billing", str(row.pk))
    assert (ended.code, state(row), row.reason) == (1, "parked", "The message can't be read: decode error.")
    assert f"{row.pk}: not an event, so it can't be retried, only discarded. The message can't be read" in ended.out
    assert "1 of 1 message can't be retried, only discarded." in ended.err
    assert "failed again" not in ended.out + ended.err


def test_discarding_what_is_settled_says_so():
    row = park(state="discarded")
    out = call("parked", "discard", "billing", str(row.pk), "--note", "again").out
    assert f"No message discarded. Already settled, so skipped: {row.pk}." in out


def test_discard_wants_a_reason_and_keeps_the_message():
    row = park()
    refused = call("parked", "discard", "billing", str(row.pk))
    assert (refused.code, state(row)) == (2, "parked")
    assert "--note" in refused.err
    ended = call("parked", "discard", "billing", str(row.pk), "--note", "a test event", "--json")
    assert (ended.code, ended.json) == (0, {"discarded": [row.pk], "untouched": []})
    assert (state(row), row.note) == ("discarded", "a test event")
    again = call("parked", "discard", "billing", str(row.pk), "--note", "again", "--json")
    assert again.json == {"discarded": [], "untouched": [row.pk]}
    assert (state(row), row.note) == ("discarded", "a test event")


def test_a_settled_message_is_left_alone():
    row = park(state="discarded")
    ended = call("parked", "retry", "billing", str(row.pk))
    assert (ended.code, state(row)) == (0, "discarded")
    assert "skipped: settled already, or being retried by a worker" in ended.out


@pytest.mark.parametrize("action", [("retry",), ("discard", "--note", "x")])
@pytest.mark.parametrize(
    ("words", "said"),
    [((), "Which messages?"), (("9999",), "billing has no failed message 9999."), (("1", "--all"), "Which messages?")],
)
def test_wrong_usage(action, words, said):
    row = park()
    ended = call("parked", action[0], "billing", *words, *action[1:])
    assert (ended.code, state(row)) == (2, "parked")
    assert said in ended.err


def test_an_unknown_context():
    assert call("parked", "list", "shipping").code == 2
    assert call("parked", "list", "billing", str(2**70)).code == 2


def test_retry_by_type_and_by_time():
    first, other = park(), park(event_type="users.user.suspended.v1")
    assert call("parked", "retry", "billing", "--type", "users.user.suspended.v1").code == 0
    assert (state(first), state(other)) == ("parked", "applied")
    later = (timezone.now() + timedelta(minutes=1)).isoformat()
    assert call("parked", "retry", "billing", "--since", later, "--json").json["applied"] == 0
    assert call("parked", "retry", "billing", "--until", later, "--json").json["applied"] == 1
    assert state(first) == "applied"


def test_a_time_that_is_none_is_wrong_usage():
    ended = call("parked", "retry", "billing", "--since", "yesterday")
    assert ended.code == 2
    assert "--since 'yesterday' is not a time" in ended.err


def test_show_is_the_whole_message():
    row = park(traceback="Traceback: boom")
    out = call("parked", "show", "billing", str(row.pk)).out
    assert "Traceback: boom" in out
    assert row.envelope["id"] in out
    assert call("parked", "show", "billing").code == 2
