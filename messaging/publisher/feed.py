"""The declaration of an authority's feed, which the feed's pages, the fingerprints and `republish` use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.module_loading import import_string
from pydantic_core import to_json

from messaging import settings
from messaging.database import row_hash
from messaging.database.columns import Source, field_of
from messaging.database.tracked import Tombstone, Tracked
from messaging.events.contract import DomainEvent
from messaging.ledger.ledger import TRACKED

#: In `Feed.gone`: the time of the deletion.
CHANGED_AT: Final = "changed_at"
#: The data of a gone aggregate that `Feed.gone` doesn't name, by the kind of its column. No date means nothing.
_NOTHING: Final = {"time": CHANGED_AT, "number": 0, "decimal": "0", "uuid": "00000000-0000-0000-0000-000000000000", "text": ""}


@dataclass(frozen=True)
class Feed:
    """An authority's feed of one model. It tracks the model, which needs no change and may belong to another app."""

    model: type[models.Model] | str  #: the model, or its label: "auth.User"
    facts: type[DomainEvent]  #: the contract whose fields are the data
    #: The data of an aggregate whose row is gone, or was changed after its erasure: field to value, or to `CHANGED_AT`. By default
    #: texts are empty, numbers 0, times `CHANGED_AT`, and a field that may be None is None. A date needs a value.
    gone: Mapping[str, Any] = field(default_factory=dict)
    #: For `republish`: given the facts, and True for an aggregate's first event, returns the event class that announces the state.
    #: By default the only event with these facts.
    announces: Callable[[DomainEvent, bool], type[DomainEvent]] | None = None
    #: True: copies keep a deleted aggregate as a row with the data of `gone`, and fingerprints count it. False: copies delete it,
    #: and only the feed's pages show the deletion.
    keeps_gone: bool = True
    erase: Callable[[str], object] | None = None  #: for `erase_again`: erases an aggregate by its id
    #: The aggregate, `<context>.<what it is>`, as in its events' types. Default: the model's label, "users.user".
    aggregate: str = ""
    key: str = "pk"  #: the unique field that is the aggregate's id
    #: The source of each fact whose name isn't its column's: a field's name, or an expression over the row's own columns. E-mail
    #: addresses and passwords are in the data only if they are named here.
    fields: Mapping[str, Source] = field(default_factory=dict)
    #: What makes a row an erased one, for ever: (field, value), or a condition on its own columns.
    tombstone: Tombstone = None
    #: Fields whose change alone is no change, as `("last_login",)`: it gets no version and no position.
    ignore: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.aggregate:
            label = self.model if isinstance(self.model, str) else self.model._meta.label
            object.__setattr__(self, "aggregate", label.lower())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the facts."""
        return tuple(self.facts.model_fields)

    @property
    def tracked(self) -> Tracked:
        return TRACKED.get(self.aggregate) or self.declared

    @property
    def declared(self) -> Tracked:
        """The tracked model by this declaration alone, without `@track`. Raises `LookupError` if there is no such model."""
        model = apps.get_model(self.model) if isinstance(self.model, str) else self.model
        return Tracked(model, self.tombstone, self.aggregate, self.key, tuple(self.ignore))

    def source(self, name: str) -> Source:
        """The source of a fact."""
        return self.fields.get(name, name)

    def gone_value(self, name: str) -> Any:
        """A fact of a gone aggregate: a value, or `CHANGED_AT`."""
        if name in self.gone:
            return self.gone[name]
        if self.may_be_none(name):
            return None
        source = field_of(self.tracked.model, self.source(name))
        return False if isinstance(source, models.BooleanField) else _NOTHING.get(row_hash.kind_of_field(source))

    def may_be_none(self, name: str) -> bool:
        """Return True if a fact may be None."""
        return type(None) in getattr(self.facts.model_fields[name].annotation, "__args__", ())

    def event(self, data: Mapping[str, Any], *, first: bool) -> DomainEvent:
        """The event that announces an aggregate's state, given its data in a page. `first`: it is its first event."""
        facts = self.facts.model_validate_json(to_json(data))
        announces = self.announces or (lambda facts, first: self.only_event())
        return announces(facts, first)(**facts.model_dump())

    def gone_event(self, changed_at: datetime) -> DomainEvent:
        """The event that announces an aggregate that is gone."""
        values = {name: self.gone_value(name) for name in self.names}
        return self.event({name: changed_at if value is CHANGED_AT else value for name, value in values.items()}, first=False)

    def events(self) -> list[type[DomainEvent]]:
        """The events with these facts."""
        return [event for event in DomainEvent.registry.values() if issubclass(event, self.facts)]

    def only_event(self) -> type[DomainEvent]:
        (event,) = self.events()
        return event


def declared_feed(authority: str) -> Feed | None:
    """The feed's declaration; None if this process has no such feed."""
    path = settings.feed_path(authority)
    return import_string(path) if path else None  # type: ignore[no-any-return]


def track_declared() -> None:
    """Track the models of all feeds of this process. Raises `ImproperlyConfigured` for a feed that can't be found."""
    for name in settings.feeds():
        try:
            feed = declared_feed(name)
            if feed is not None:
                TRACKED.setdefault(feed.aggregate, feed.declared)
        except (ImportError, LookupError) as error:
            raise ImproperlyConfigured(f"The feed of {name}, {settings.feed_path(name)}, can't be used: {error}") from error
