"""The contract classes that publishers write, and the envelope in which an event is sent.

The envelope is CloudEvents 1.0 as JSON (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md), with
the extensions that `Envelope` describes.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from django.apps import apps
from django.utils.module_loading import module_has_submodule
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from messaging.events.compatibility import SchemaChange, changes

#: A context, an aggregate or what happened, in a type.
NAME = r"[a-z][a-z0-9_]*"
WIRE_TYPE = re.compile(rf"{NAME}\.{NAME}\.{NAME}\.v[1-9][0-9]*")
#: The largest integer that both databases store.
LARGEST_INTEGER = 2**63 - 1
#: PostgreSQL stores no NUL character.
WITHOUT_NUL = r"^[^\x00]*$"
#: A stamping round's mark.
MARK = r"^[0-9a-f]*$"
#: A position and its round's mark. Together they say which history the position belongs to.
Pair = tuple[int, str]


def _in_utc(value: datetime) -> datetime:
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        moment = datetime.max.replace(tzinfo=UTC)
    if not 2 <= moment.year <= 9998:
        raise ValueError("not between the years 2 and 9998")
    return moment


#: An aware time, converted to UTC. PostgreSQL stores years that Python can't read back (1 to 9999). One year at either end is left
#: out, as room for time zones and arithmetic; so 9999-12-31, often used for "never", isn't a valid time of an event.
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class DomainEvent(BaseModel):
    """Base of a publisher's event contracts. Its fields are the envelope's `data`.

    Parameters
    ----------
    wire
        A subclass's type on the wire, as in `class UserSuspended(UserFacts, wire="users.user.suspended.v1")`:
        `<context>.<aggregate>.<what_happened>.v<N>`. The first two words are the feed's aggregate. Without it, the class only holds
        fields for subclasses.

    Raises
    ------
    TypeError
        `wire` has another form, or another class has it already.
    """

    # Built at its first use: most programs start without reading an event.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    wire: ClassVar[str] = ""
    registry: ClassVar[dict[str, type["DomainEvent"]]] = {}

    def __init_subclass__(cls, wire: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not wire:
            return
        if not WIRE_TYPE.fullmatch(wire):
            raise TypeError(
                f"{cls.__name__}: {wire!r} is not <context>.<aggregate>.<what_happened>.v<N>. Each name begins with a lower-case "
                "letter, and has only lower-case letters, digits and underscores."
            )
        if wire in DomainEvent.registry:
            raise TypeError(f"{cls.__name__}: {wire} is already the type of {DomainEvent.registry[wire].__name__}.")
        cls.wire = wire
        DomainEvent.registry[wire] = cls

    @classmethod
    def aggregate(cls) -> str:
        """The name of the event's aggregate, as `users.user`. A feed of the aggregate has the same name."""
        return ".".join(cls.wire.split(".")[:2])

    @classmethod
    def source(cls) -> str:
        """The context that publishes it: `users`."""
        return cls.wire.partition(".")[0]


class Envelope(BaseModel):
    """An event on the wire. Consumers may rely on these attributes, and ignore unknown ones."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    specversion: Literal["1.0"]
    id: str = Field(
        min_length=1, max_length=64, pattern=WITHOUT_NUL, description="Unique per event; a redelivery has the same one."
    )
    source: str = Field(min_length=1, max_length=50, pattern=WITHOUT_NUL, description="The context that published it.")
    type: str = Field(min_length=1, max_length=200, pattern=WITHOUT_NUL, description="<context>.<aggregate>.<what_happened>.v<N>")
    subject: str = Field(min_length=1, max_length=100, pattern=WITHOUT_NUL, description="The aggregate's id.")
    time: Moment = Field(description="When it happened, by the authority's clock.")
    dataschema: str = Field(
        default="", max_length=300, pattern=WITHOUT_NUL, description="URI reference of the JSON Schema of `data`."
    )
    data: dict[str, Any] = Field(description="The aggregate's state after the change: the fields that this consumer gets.")
    aggregateversion: int = Field(ge=1, le=LARGEST_INTEGER, description="The aggregate's version after the change.")
    correlationid: str = Field(
        min_length=1, max_length=64, pattern=WITHOUT_NUL, description="The same for all events that one request caused."
    )
    causationid: str | None = Field(default=None, max_length=64, pattern=WITHOUT_NUL, description="The event that caused it.")
    position: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_INTEGER,
        description="The change's place in the feed, if it was still the aggregate's latest change when it was sent.",
    )
    mark: str = Field(
        default="", max_length=32, pattern=MARK, description="The mark of the stamping round that gave out the position."
    )
    markbefore: str = Field(default="", max_length=32, pattern=MARK, description="The mark of the round before that one.")
    deleted: bool = Field(
        default=False, description="The row was deleted, not erased: later events may be about a new row with its id."
    )
    repair: bool = Field(default=False, description="Recorded afterwards, by `republish`, for a change without an event.")
    replay: bool = Field(default=False, description="A recorded event that is sent again, with its old id.")


def envelope(
    event: DomainEvent, *, id: str, subject: str, version: int, time: datetime, correlation: str, causation: str | None
) -> dict[str, Any]:
    """The event as a CloudEvents JSON object, for the outbox."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": id,
        "source": event.source(),
        "type": event.wire,
        "subject": subject,
        "time": time.isoformat(),
        "datacontenttype": "application/json",
        "dataschema": f"/api/{event.source()}/contracts/#{event.wire}",
        "data": event.model_dump(mode="json"),
        "aggregateversion": version,
        "correlationid": correlation,
    }
    if causation:
        attributes["causationid"] = causation
    return attributes


def load_contracts(context: str) -> None:
    """Import a context's `events` module, which registers its events in `DomainEvent.registry`."""
    app = apps.get_app_config(context)
    if app.module is not None and module_has_submodule(app.module, "events"):
        import_module(f"{app.name}.events")


def schemas(context: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (wire type, JSON Schema of its `data`) for every event that a context publishes."""
    for wire, event in sorted(DomainEvent.registry.items()):
        if event.source() == context:
            yield wire, _schema(wire, event)


def schema_text(wire: str, event: type[DomainEvent]) -> str:
    """The file with the JSON Schema of an event's `data`, as `write_schemas` writes it."""
    return _text(_schema(wire, event))


def _schema(wire: str, event: type[DomainEvent]) -> dict[str, Any]:
    return {"$id": wire, **event.model_json_schema(mode="serialization")}


def differences(context: str, folder: Path) -> list[SchemaChange]:
    """What differs between the schemas in `folder` and the code's. Raises `ValueError` for a file that isn't a JSON object."""
    committed = {path.stem: _committed(path) for path in folder.glob("*.json")}
    published = dict(schemas(context))
    wires = sorted(committed.keys() | published.keys())
    return [change for wire in wires for change in changes(wire, committed.get(wire), published.get(wire))]


def write_schemas(context: str, folder: Path) -> list[Path]:
    """Write one schema file per event type into `folder`; returns the files that changed."""
    changed = []
    folder.mkdir(parents=True, exist_ok=True)
    for wire, schema in schemas(context):
        path = folder / f"{wire}.json"
        text = _text(schema)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return changed


def stale(context: str, folder: Path) -> list[str]:
    """Names of the files that differ from what `write_schemas` would write, including files of events that are gone."""
    wanted = {f"{wire}.json": _text(schema) for wire, schema in schemas(context)}
    found = {path.name: path.read_text() for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _committed(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is not a JSON Schema. Restore it from version control.")
    return found
