"""The fields of a contract in words, from its JSON Schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from messaging.events.compatibility import inlined


@dataclass(frozen=True)
class Fact:
    """A field of an event's `data`. Where the contract isn't known, `type` and `description` are empty and `required` is None."""

    name: str
    #: As `string`, `date-time`, `active | suspended`, `integer | null` or `list of uuid`.
    type: str
    description: str
    #: False: it has a default.
    required: bool | None


def facts(schema: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return the fields of a contract's JSON Schema, in its order."""
    whole, required = inlined(schema, schema), schema.get("required", ())
    return tuple(
        Fact(name, _type(values), str(values.get("description", "")), name in required)
        for name, values in whole.get("properties", {}).items()
    )


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if "$ref" in schema:  # a recursive one
        return str(schema["$ref"]).rpartition("/")[2]
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "anything")
