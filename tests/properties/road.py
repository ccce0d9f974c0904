"""Rules for the path from the outbox to the inbox, and for billing's work with what arrived."""

import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from billing import services as billing
from messaging.consumer import checkpoints, inbox, retries
from messaging.errors import Paused
from messaging.ledger import sequencer
from messaging.replica.staleness import Policy
from messaging.transport.queues import HEARTBEAT
from tests.properties import looking
from tests.properties.model import HOLES, ONCE, holds
from tests.properties.story import TURN, WHICH
from tests.properties.system import QUEUES, Killed, Message, Poison
from tests.properties.writing import SERVICES, Writing

#: Drawn for a crash: usually none.
RELAY = st.sampled_from(["", "", "", "relay.stamped", "relay.claimed", "relay.sent", "relay.before_commit", "relay.committed"])
INBOX = st.sampled_from(["", "", "", "", "inbox.deduplicated", "inbox.handled", "inbox.before_commit", "inbox.committed"])


class Road(Writing):
    @rule(name=st.sampled_from(["users", "users", "billing"]), batch=st.integers(1, 3), crash=RELAY, turn=TURN)
    def relay(self, name: str, batch: int, crash: str, turn: int) -> None:
        relay = self.system.relays[name]
        relay.batch = batch
        self.system.run(relay.run_once, crash, turn=turn)

    @rule(what=st.sampled_from(SERVICES), which=WHICH, crash=RELAY, arrives=st.booleans(), poison=st.booleans())
    def write_and_send(self, what: str, which: int, crash: str, arrives: bool, poison: bool) -> None:
        """Take the usual steps: a change, a round of the relay, and its message arrives at once, before waiting ones."""
        self.write(what, which)
        self.check()
        self.relay("users", 1, crash, 1)
        self.check()
        names = [name for name in self.copies if self.flying[name]]
        if arrives and names:
            message = self.flying[names[0]][-1]
            if self._arrive(names[0], message, "", poison):
                self.flying[names[0]].remove(message)

    @rule()
    def heartbeat(self) -> None:
        relay = self.system.relays["users"]
        relay.next_heartbeat = 0.0
        relay._heartbeat()

    @rule(limit=st.sampled_from([None, 1, 2]))
    def stamp(self, limit: int | None) -> None:
        sequencer.stamp_pending("users", batch=2, limit=limit)

    @precondition(lambda self: any(self.flying.values()))
    @rule(which=WHICH, newest=st.booleans(), crash=INBOX, poison=st.sampled_from([False, False, True]))
    def deliver(self, which: int, newest: bool, crash: str, poison: bool) -> None:
        """Deliver a message on its way: often the newest, so earlier ones come late."""
        name = self._queue(which)
        messages = self.flying[name]
        message = messages[-1 if newest else which % len(messages)]
        if self._arrive(name, message, crash, poison):
            messages.remove(message)

    @precondition(lambda self: any(self.flying.values()))
    @rule(which=WHICH, crash=INBOX)
    def deliver_together(self, which: int, crash: str) -> None:
        """Deliver all messages to one consumer as one message, the newest event first."""
        name = self._queue(which)
        messages = [message for message in self.flying[name] if message.events]
        if messages:
            events = [event for message in reversed(messages) for event in reversed(message.events)]
            if self._arrive(name, messages[0].with_events(events), crash, poison=False):
                self.flying[name].clear()

    @precondition(lambda self: any(self.ever.values()))
    @rule(which=WHICH, old=st.integers(0, 15), crash=INBOX, mixed=st.booleans())
    def deliver_again(self, which: int, old: int, crash: str, mixed: bool) -> None:
        """Deliver a message that was sent before, whether it arrived or not. `mixed`: after the newest, in one message with it."""
        queues = [name for name in QUEUES if self.ever[name]]
        name = queues[which % len(queues)]
        message = self.ever[name][old * len(self.ever[name]) // 32]
        if mixed:
            message = message.with_events(self.ever[name][-1].events + message.events)
        self._arrive(name, message, crash, poison=False)

    @precondition(lambda self: any(self.flying.values()))
    @rule(which=WHICH, all_=st.booleans())
    def lose(self, which: int, all_: bool) -> None:
        """Lose one message, or a whole queue."""
        messages = self.flying[self._queue(which)]
        if all_:
            messages.clear()
        else:
            del messages[which % len(messages)]

    @rule()
    def retry(self) -> None:
        """Retry a failed event, which now works."""
        for name in QUEUES:
            for parked in retries.due(name, timezone.now() + timedelta(days=1)):
                retries.attempt(name, parked)
        for copy in self.copies.values():
            copy.unsure |= not copy.waiting.keys() <= self.authority.events.keys()
            for event in list(copy.waiting):
                copy.apply(copy.waiting.pop(event))
        while self.waiting:
            self._bill(self.waiting.pop(0))

    def _queue(self, which: int) -> str:
        queues = [name for name in QUEUES if self.flying[name]]
        return queues[which % len(queues)]

    def _arrive(self, name: str, message: Message, crash: str, poison: bool) -> bool:
        """Hand a message to the inbox, and return True if it was acknowledged."""
        if message.task == HEARTBEAT:
            at = datetime.fromisoformat(message.kwargs["at"])
            checkpoints.record_heartbeat(name, "users", message.kwargs["head"], at, message.kwargs.get("mark", ""))
            return True
        held = name in self.copies and looking.place(self.system, name).state == "paused"
        work = partial(inbox.receive, name, message.events, publishers=message.publishers)
        kind: type[BaseException] = Poison if poison else Killed
        try:
            through, outcome = self.system.run(work, "inbox.handled" if poison else crash, kind=kind)
        except Paused:
            holds(HOLES, held, f"{name} holds its queue back, and nothing of it is known")
            return False
        if not through and crash != "inbox.committed":
            return False
        order = [event["id"] for event in message.events]
        if poison and len(order) == 1:
            self._park(name, message.events[0])
        elif name == "users":
            for event in dict.fromkeys(order):
                if event not in self.received:
                    self.received.add(event)
                    self._bill(self.billed[event])
        else:
            given = {event["id"]: looking.given(event) for event in message.events}  # of an event that is in it twice, the last
            expected = self.copies[name].take(given, order)
            self.copies[name].unsure |= not given.keys() <= self.authority.events.keys()
            if through and not poison:
                self.counted.append((name, (outcome.applied, outcome.duplicate, outcome.obsolete), expected))
        return through

    def _park(self, name: str, event: dict[str, Any]) -> None:
        """A handler failed: the event waits for its retry, unless it came before."""
        key = event["id"]
        if name == "users":
            if key not in self.received:
                self.received.add(key)
                self.waiting.append(self.billed[key])
        elif key not in self.copies[name].received:
            self.copies[name].received.add(key)
            self.copies[name].waiting[key] = looking.given(event)

    @precondition(lambda self: self.copies["billing"].rows)
    @rule(which=WHICH)
    def bill(self, which: int) -> None:
        """Issue a month's invoices from the copy alone; one of them becomes overdue."""
        active = sorted(key for key, (_, status) in self.copies["billing"].rows.items() if status == "active")
        period = self._period()
        run = billing.invoices_generate(period=period, policy=Policy.PROCEED)
        holds(ONCE, run.issued == len(active), f"{run.issued} invoices for {len(active)} active users")
        if active:
            rows = self.system.rows("billing", f"SELECT id, user_id FROM billing_invoice WHERE period = '{period}'")
            invoices = {looking.same_id(user): looking.same_id(key) for key, user in rows}
            billing.invoice_mark_overdue(invoice_id=uuid.UUID(invoices[active[which % len(active)]]))
