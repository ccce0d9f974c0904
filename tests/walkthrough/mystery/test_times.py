"""A wrong clock of users is seen by comparing rows with events."""

import pytest
from django.utils import timezone

from users.models import User
from users.services import user_reactivate, user_register, user_suspend
from walkthrough.control import concealed
from walkthrough.mystery import times

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_a_slow_clock_is_found_and_the_right_time_is_the_event_s(monkeypatch: pytest.MonkeyPatch) -> None:
    began = timezone.now()
    ada, bob = (user_register(email=f"{name}@example.org", name=name) for name in ("ada", "bob"))
    user_suspend(user_id=bob.pk, reason="fraud")
    assert times.wrong(began) == {}
    monkeypatch.setattr(concealed, "names", lambda: frozenset({concealed.SLOW_CLOCK}))
    user_suspend(user_id=ada.pk, reason="fraud")
    found = times.wrong(began)
    assert set(found) == {ada.pk}
    row = User.objects.using("users").get(pk=ada.pk)
    assert abs(found[ada.pk] - timezone.now()).total_seconds() < 30
    assert abs((found[ada.pk] - row.status_since) + concealed.OFFSET).total_seconds() < 30
    monkeypatch.setattr(concealed, "names", frozenset)
    user_reactivate(user_id=ada.pk)
    assert times.wrong(began) == {}


def test_a_renamed_field_is_renamed_only_where_it_is() -> None:
    event = {"id": "1", "data": {"status": "active", "status_since": "now"}}
    assert concealed.renamed(event) == {"id": "1", "data": {"status": "active", "since": "now"}}
    assert event["data"] == {"status": "active", "status_since": "now"}
    for other in ({"id": "2", "data": {"invoice": 1}}, {"id": "3", "data": None}):
        assert concealed.renamed(other) is other
