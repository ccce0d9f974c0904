"""Compares two schemas of an event type, and says if the change is compatible or breaking, with the field and the rule.

Compatibility has two directions. Consumers that run now read the new publisher's events. Consumers written for the new contract
read older events, from the outbox, queues and replays. A change is compatible only if both work: existing fields stay as they are,
and new fields have a default. Any other change needs a new version of the type, published in addition to the old one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Keywords that no reader depends on. That includes `default`: the publisher writes it into every event.
WORDS = {"title", "description", "default", "examples", "$id", "$defs"}


@dataclass(frozen=True)
class SchemaChange:
    """A difference between two schemas of one event type."""

    type: str
    field: str  #: its path, as `address.city`; empty for the whole type
    rule: str
    breaking: bool
    why: str = ""

    @property
    def sentence(self) -> str:
        """The change in words: `users.user.suspended.v1, status_since: removed. Consumers that read it would park every event.`"""
        return self.sentence_with([])

    def sentence_with(self, others: Sequence[str]) -> str:
        """The sentence, for this type and others with the same change."""
        alike = f" (and {', '.join(name.split('.', 2)[-1] for name in others)})" if others else ""
        place = f"{self.type}{alike}, {self.field}" if self.field else f"{self.type}{alike}"
        return f"{place}: {self.rule}.{f' {self.why}' if self.why else ''}"

    def as_dict(self) -> dict[str, Any]:
        names = "type", "field", "rule", "breaking", "sentence"
        return {name: getattr(self, name) for name in names}


def changes(wire: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[SchemaChange]:
    """What differs between the committed schema of a type (`old`) and the present one of its class. None: there is no schema."""
    if old is None or new is None:
        if old is None and new is not None:
            return [SchemaChange(wire, "", "new type", breaking=False)]
        return [SchemaChange(wire, "", "removed", breaking=True, why=GONE)] if old is not None else []
    found = list(_of_object(wire, "", inlined(old, old), inlined(new, new)))
    if not found and old != new:
        found = [SchemaChange(wire, "", "described in other words", breaking=False)]
    return found


GONE = "The code no longer publishes it. Keep it while a consumer is registered for it. To see who is: manage.py consumers list."
MISSED = "Consumers that read it would park every event."
LACKING = "Events that were recorded before lack it. Give it a default."


def sentences(found: Sequence[SchemaChange]) -> list[str]:
    """One sentence for each kind of change. Types that share a base class change together."""
    alike: dict[tuple[str, str, str], list[SchemaChange]] = {}
    for change in found:
        alike.setdefault((change.field, change.rule, change.why), []).append(change)
    return [same[0].sentence_with([change.type for change in same[1:]]) for same in alike.values()]


def _of_object(wire: str, path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[SchemaChange]:
    before, after = old.get("properties", {}), new.get("properties", {})
    must_before, must_after = set(old.get("required", [])), set(new.get("required", []))
    gone, come = [name for name in before if name not in after], [name for name in after if name not in before]
    for name in gone:
        twins = [other for other in come if _shape(after[other]) == _shape(before[name])]
        renamed = f" Was it renamed to {' or '.join(twins)}? For its readers that is a removal." if twins else ""
        yield SchemaChange(wire, f"{path}{name}", "removed", breaking=True, why=MISSED + renamed)
    for name in come:
        field = f"{path}{name}"
        if name in must_after:
            yield SchemaChange(wire, field, "new, without a default", breaking=True, why=LACKING)
        else:
            yield SchemaChange(wire, field, "new, with a default", breaking=False)
    for name in (name for name in before if name in after):
        yield from _of_field(wire, f"{path}{name}", before[name], after[name])
        if name in must_before - must_after:
            yield SchemaChange(wire, f"{path}{name}", "no longer required", breaking=True, why="Consumers may rely on it.")
        elif name in must_after - must_before:
            yield SchemaChange(
                wire, f"{path}{name}", "required now", breaking=True, why="Events that were recorded before may lack it."
            )
    rest = {"properties", "required"}
    if _shape(old, rest) != _shape(new, rest):
        yield SchemaChange(wire, path.rstrip("."), "of another kind", breaking=True, why="Readers can't know what they get.")


def _of_field(wire: str, place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[SchemaChange]:
    if "properties" in old and "properties" in new:
        yield from _of_object(wire, f"{place}.", old, new)
        return
    if _shape(old, {"enum", "const"}) != _shape(new, {"enum", "const"}) or bool(listed_values(old)) != bool(listed_values(new)):
        rule = f"{_kind(old)} became {_kind(new)}" if _kind(old) != _kind(new) else "of another kind"
        yield SchemaChange(wire, place, rule, breaking=True, why=MISSED)
        return
    more, less = [
        sorted(map(str, a - b)) for a, b in ((listed_values(new), listed_values(old)), (listed_values(old), listed_values(new)))
    ]
    if more:
        why = "Consumers that know the old values would park it."
        yield SchemaChange(wire, place, f"may be {' or '.join(more)} now", breaking=True, why=why)
    if less:
        why = "Events that were recorded before may still have it."
        yield SchemaChange(wire, place, f"can no longer be {' or '.join(less)}", breaking=True, why=why)


def listed_values(schema: Mapping[str, Any]) -> set[Any]:
    """The values of a closed list. Pydantic writes a list of one value as `const`."""
    return set(schema["enum"]) if "enum" in schema else {schema["const"]} if "const" in schema else set()


def _kind(schema: Mapping[str, Any]) -> str:
    parts = schema.get("anyOf")
    if parts:
        return " or ".join(_kind(part) for part in parts)
    words = [str(schema.get("type", "anything")), *([str(schema["format"])] if "format" in schema else [])]
    known = {"type", "format", *WORDS}
    words += [
        f"{name} {schema[name]}" for name in sorted(schema) if name not in known and not isinstance(schema[name], dict | list)
    ]
    return " ".join([*words, "of a list of values"] if listed_values(schema) else words)


def _shape(schema: Any, without: frozenset[str] | set[str] = frozenset()) -> Any:
    """The part of a schema that a reader depends on."""
    if isinstance(schema, list):
        return [_shape(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "properties" in schema and "properties" not in without:  # a field may be called `title`
        named = {name: _shape(field) for name, field in schema["properties"].items()}
        return {**_shape(schema, {*without, "properties"}), "properties": named}
    return {name: _shape(part) for name, part in schema.items() if name not in WORDS and name not in without}


def inlined(schema: Any, root: Mapping[str, Any], inside: tuple[str, ...] = ()) -> Any:
    """The schema with its references resolved, except those that are recursive."""
    if isinstance(schema, list):
        return [inlined(part, root, inside) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    if name and name not in inside:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**inlined(root.get("$defs", {}).get(name, {}), root, (*inside, name)), **beside}
    return {key: inlined(part, root, inside) for key, part in schema.items() if key != "$defs"}
