"""Users set back to a backup: what was written since is lost, and what comes then gets the same positions with other marks."""

import pytest

from messaging.ledger import ledger, sequencer
from messaging.models import Ledger, Mark
from users.models import User
from users.services import user_register, user_suspend
from walkthrough.control.set_back import Backup

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def stamped() -> dict[int, str]:
    sequencer.stamp_pending("users")
    return dict(Mark.objects.using("users").values_list("position", "mark"))


def test_what_was_written_since_the_backup_is_lost() -> None:
    users = [user_register(email=f"u{number}@example.org", name=f"U{number}") for number in range(3)]
    before = stamped()
    entries = list(Ledger.objects.using("users").order_by("aggregate_id").values())
    backup = Backup()
    user_suspend(user_id=users[0].pk, reason="fraud")
    user_register(email="late@example.org", name="Late")
    lost = stamped()
    assert len(lost) > len(before)
    backup.put_back()
    assert set(User.objects.using("users").values_list("name", "status")) == {(user.name, "active") for user in users}
    assert list(Ledger.objects.using("users").order_by("aggregate_id").values()) == entries
    assert stamped() == before
    assert ledger.unannounced("users").count() == 0

    user_suspend(user_id=users[1].pk, reason="after the restore")
    again = stamped()
    assert max(before) < max(again) <= max(lost), "the same positions are given out again"
    assert again[max(again)] not in lost.values()
