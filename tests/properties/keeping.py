"""Rules for the authority's later work: republish, replay, retention."""

from datetime import timedelta

from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import rule

from messaging.ledger import sequencer
from messaging.models import Consumer
from messaging.publisher import replay, republish, retention
from messaging.transport.queues import HEARTBEAT
from tests.properties import looking
from tests.properties.model import KEPT, holds
from tests.properties.story import NAMES, TURN, Story
from tests.properties.system import HOUR, Message

#: Drawn for a crash: usually none.
PURGE = st.sampled_from(["", "", "", "purge.outbox", "purge.tombstones"])
#: Old enough for retention to delete it.
AGED = timedelta(seconds=-1)


class Keeping(Story):
    @rule(crash=st.sampled_from(["", "", "republish.locked"]))
    def republish(self, crash: str) -> None:
        through, _ = self.system.run(lambda: republish.republish("users"), crash)
        if not through:
            return
        for key, user in self.authority.users.items():
            if user.version > user.announced:
                status = user.facts.status
                kind = status if status != "active" else "created" if user.announced == 0 else "reactivated"
                self.authority.record(key, kind)

    @rule(name=NAMES, crash=st.sampled_from(["", "", "replay.sent"]))
    def replay(self, name: str, crash: str) -> None:
        consumers = list(Consumer.objects.using("users").filter(name=name))
        window = replay.Window(until=timezone.now() + HOUR)
        sender = self.system.relays["users"].sender
        self.system.run(lambda: replay.replay("users", consumers, window, sender=sender), crash)

    @rule(crash=PURGE, turn=TURN)
    def purge(self, crash: str, turn: int) -> None:
        """Let time pass: everything is old enough to purge, and messages that haven't arrived in that time are lost."""
        sequencer.stamp_pending("users")
        self.check()
        events, entries = looking.outbox(self.system), looking.ledger(self.system)
        reached = {name: looking.place(self.system, name).checkpoint for name, copy in self.copies.items() if copy.registered}
        self.system.run(lambda: retention.purge("users", older_than=AGED), crash, turn=turn)
        kept_events, kept = looking.outbox(self.system).keys(), looking.ledger(self.system).keys()
        for event, (status, body) in events.items():
            if event not in kept_events:
                holds(KEPT, status == looking.SENT_STATUS, f"{self.authority.events[event]} wasn't sent, and is gone")
                if body["subject"] in entries:
                    self._passed(body["subject"], entries[body["subject"]].position, reached)
                self.authority.purged_events.add(event)
        for key in entries.keys() - kept:
            user = self.authority.users[key]
            holds(KEPT, user.deleted and user.announced == user.version, f"{key} is gone, and was {user}")
            self._passed(key, entries[key].position, reached)
            self.authority.forget(key)
        for messages in (*self.flying.values(), *self.ever.values()):
            messages[:] = [aged for message in messages if (aged := _without(message, self.authority.purged)) is not None]

    def _passed(self, key: str, position: int | None, reached: dict[str, int]) -> None:
        behind = [name for name, checkpoint in reached.items() if position is None or checkpoint < position]
        holds(KEPT, not behind, f"{behind} had not passed {key} at {position}: {reached}")


def _without(message: Message, subjects: set[str]) -> Message | None:
    if message.task == HEARTBEAT or not subjects:
        return message
    events = [event for event in message.events if event["subject"] not in subjects]
    return message.with_events(events) if events else None
