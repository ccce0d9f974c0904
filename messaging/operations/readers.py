"""The consumers of event types and feeds: by their code in this process, by the authorities' registers, and by `status`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from messaging import settings
from messaging.consumer import handlers
from messaging.consumer.cache import declared_cache
from messaging.errors import DatabaseUnreadable
from messaging.models import Consumer
from messaging.operations.status import ConsumerState, consumer_states, reading
from messaging.publisher import consumers


@dataclass(frozen=True)
class Reader:
    """A consumer of an event type or of a feed."""

    consumer: str
    #: Where its events wait; empty: it pulls.
    queue: str
    #: The fields that its code reads; None: unknown, because its code isn't in this process or has no handler for the type.
    reads: tuple[str, ...] | None
    #: The fields that it is registered for; None: it isn't registered for this, or the register can't be read here.
    sent: tuple[str, ...] | None
    #: Its handler turns this version of the type into the newest one.
    upcast: bool
    #: None: the register can't be read here.
    registered: bool | None
    #: As in `status`; None: unknown.
    state: str | None
    #: Positions behind the authority's head; None: unknown, or it keeps no copy.
    lag: int | None
    #: Why `lag` is None; else empty.
    lag_unknown: str

    @property
    def in_words(self) -> str:
        """The state in a few words: "live, lag 0"."""
        if self.registered is False:
            return "not registered"
        if self.lag is not None:
            return f"{self.state}, lag {self.lag:,}"
        return f"{self.state}, no copy" if self.keeps_none else ", ".join(filter(None, [self.state, "lag unknown"]))

    @property
    def keeps_none(self) -> bool:
        """Return True if it only acts on events, so it can't lag."""
        return self.lag_unknown == KEEPS_NONE


KEEPS_NONE = "it keeps no copy"


@dataclass(frozen=True)
class Known:
    """The answers of the databases. `unreadable`: a sentence for each database that doesn't answer."""

    registers: Mapping[str, Mapping[str, Consumer]]
    states: Mapping[tuple[str, str], ConsumerState]
    unreadable: tuple[str, ...]

    @classmethod
    def read(cls) -> "Known":
        registers: dict[str, Mapping[str, Consumer]] = {}
        states: dict[tuple[str, str], ConsumerState] = {}
        reasons: list[str] = []
        for authority, context in settings.contexts().items():
            try:
                with reading(context):
                    registers[authority] = {entry.name: entry for entry in consumers.registered(authority)}
            except DatabaseUnreadable as error:
                reasons.append(str(error))
        try:
            states = {(state.consumer, state.authority): state for state in consumer_states()}
        except DatabaseUnreadable as error:
            reasons.append(str(error))
        return cls(registers, states, tuple(dict.fromkeys(reasons)))

    def receiving(self, wire: str) -> Iterator[Reader]:
        """Yield who handles a type here, and who is registered for it, by name."""
        publisher = wire.partition(".")[0]
        entries = {name: entry for name, entry in self.registers.get(publisher, {}).items() if wire in entry.types}
        handling = {name: handlers.table(name)[wire] for name in settings.contexts() if wire in handlers.table(name)}
        for name in sorted(entries.keys() | handling.keys()):
            entry, handler = entries.get(name), handling.get(name)
            reads, queue = names(handler.reads) if handler else None, entry.queue if entry else name
            yield self._reader(name, publisher, entry, reads, queue, upcast=bool(handler and handler.upcast))

    def pulling(self, feed: str) -> Iterator[Reader]:
        """Yield who keeps a copy by a feed. A copy that only follows during a split is listed while it is in use."""
        authority = settings.authority(feed)
        entries = self.registers.get(authority, {})
        for name in settings.contexts():
            cache = declared_cache(name, feed)
            if cache and not (cache.follows and (name, feed) not in self.states):
                yield self._reader(name, feed, entries.get(name), names(cache.reads))
        for name, entry in entries.items():
            # One that runs elsewhere and never reported a checkpoint keeps no copy, as far as its authority knows.
            pulled = entry.feeds or ([authority] if entry.checkpoint is not None else [])
            if name not in settings.contexts() and feed in pulled:
                yield self._reader(name, feed, entry, None)

    def _reader(
        self,
        name: str,
        authority: str,
        entry: Consumer | None,
        reads: tuple[str, ...] | None,
        queue: str = "",
        upcast: bool = False,
    ) -> Reader:
        """Make a reader with its state. `authority`: a context, or one of its feeds."""
        here, publisher = name in settings.contexts(), settings.authority(authority)
        state = self.states.get((name, authority if here else publisher))
        return Reader(
            consumer=name,
            queue=queue,
            reads=reads,
            sent=tuple(entry.fields) if entry else None,
            upcast=upcast,
            registered=entry is not None if publisher in self.registers else None,
            state=state.state if state else None,
            lag=state.lag if state else None,
            lag_unknown=self._why(name, authority, state),
        )

    def _why(self, consumer: str, authority: str, state: ConsumerState | None) -> str:
        if state is None:
            return "; ".join(self.unreadable) or "it hasn't started"
        if state.lag is not None:
            return ""
        if state.state == "elsewhere":
            return "it runs in another process"
        return KEEPS_NONE if declared_cache(consumer, authority) is None else "its authority's head isn't known here yet"


def names(reads: type[BaseModel]) -> tuple[str, ...]:
    """Return the fields of `data` that a reader reads."""
    aliases = {name: field.validation_alias or field.alias for name, field in reads.model_fields.items()}
    return tuple(alias if isinstance(alias, str) else name for name, alias in aliases.items())
