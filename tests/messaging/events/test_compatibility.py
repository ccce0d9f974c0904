"""Which changes of a contract work with old readers and old events, by schemas that pydantic writes."""

from datetime import datetime
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from messaging.events.compatibility import SchemaChange, changes, sentences

WIRE = "users.user.suspended.v1"


def schema(**fields: Any) -> dict[str, Any]:
    """Return a contract's schema; a field is its type, or (type, default)."""
    given: dict[str, Any] = {name: kind if isinstance(kind, tuple) else (kind, ...) for name, kind in fields.items()}
    return create_model("Facts", **given).model_json_schema(mode="serialization")


OLD = {"status": Literal["active", "suspended"], "since": datetime, "note": (str, "")}


def found(**new: Any) -> list[SchemaChange]:
    return changes(WIRE, schema(**OLD), schema(**new))


def without(name: str) -> dict[str, Any]:
    return {key: kind for key, kind in OLD.items() if key != name}


def test_the_same_contract_has_no_changes() -> None:
    assert found(**OLD) == []


@pytest.mark.parametrize(
    ("new", "field", "rule"),
    [
        (without("since"), "since", "removed"),
        (without("note"), "note", "removed"),
        ({**OLD, "until": datetime}, "until", "new, without a default"),
        ({**OLD, "since": str}, "since", "string date-time became string"),
        ({**OLD, "since": datetime | None}, "since", "string date-time became string date-time or null"),
        ({**OLD, "since": int}, "since", "string date-time became integer"),
        ({**OLD, "status": str}, "status", "string of a list of values became string"),
        ({**OLD, "status": Literal["active", "suspended", "archived"]}, "status", "may be archived now"),
        ({**OLD, "status": Literal["active"]}, "status", "can no longer be suspended"),
        ({**OLD, "since": (datetime, datetime(2026, 1, 1))}, "since", "no longer required"),
        ({**OLD, "note": str}, "note", "required now"),
    ],
)
def test_a_breaking_change_names_the_field_and_the_rule(new: dict[str, Any], field: str, rule: str) -> None:
    (change,) = found(**new)
    assert (change.field, change.rule, change.breaking) == (field, rule, True)
    assert change.sentence.startswith(f"{WIRE}, {field}: {rule}. ")


@pytest.mark.parametrize("kind", [(str, ""), (datetime | None, None), (list[str], [])])
def test_a_new_field_with_a_default_is_compatible(kind: Any) -> None:
    (change,) = found(**OLD, until=kind)
    assert (change.field, change.rule, change.breaking) == ("until", "new, with a default", False)


def test_other_words_are_compatible() -> None:
    (change,) = found(**{**OLD, "note": (str, Field(default="none", description="What for.", title="Remark"))})
    assert (change.rule, change.breaking) == ("described in other words", False)


def test_a_renamed_field_is_called_what_it_looks_like() -> None:
    gone, come = found(**without("since"), at=datetime)
    assert (gone.field, gone.breaking, come.field, come.breaking) == ("since", True, "at", True)
    assert "Was it renamed to at?" in gone.sentence
    assert "renamed" not in found(**without("since"), at=int)[0].sentence


def test_a_field_that_is_called_like_a_word_of_the_schema_counts() -> None:
    (change,) = changes(WIRE, schema(title=str, description=str), schema(title=int, description=str))
    assert (change.field, change.breaking) == ("title", True)


class Street(BaseModel):
    name: str
    number: int


class Renumbered(BaseModel):
    name: str
    number: str


class Longer(Street):
    floor: str = ""


def test_a_field_of_a_field_has_its_path() -> None:
    (change,) = changes(WIRE, schema(address=Street), schema(address=Renumbered))
    assert (change.field, change.rule, change.breaking) == ("address.number", "integer became string", True)
    (change,) = changes(WIRE, schema(address=Street), schema(address=Longer))
    assert (change.field, change.breaking) == ("address.floor", False)


class Node(BaseModel):
    value: int
    next: "Node | None" = None


def test_a_schema_that_holds_itself_ends() -> None:
    assert changes(WIRE, schema(chain=Node), schema(chain=Node)) == []
    assert changes(WIRE, schema(chain=Node), schema(chain=Street))[0].breaking


def test_in_a_list_any_change_of_what_binds_is_breaking() -> None:
    (change,) = changes(WIRE, schema(roads=list[Street]), schema(roads=list[Renumbered]))
    assert (change.field, change.rule, change.breaking) == ("roads", "of another kind", True)


def test_a_type_that_comes_or_goes() -> None:
    (come,) = changes(WIRE, None, schema(**OLD))
    (gone,) = changes(WIRE, schema(**OLD), None)
    assert (come.rule, come.breaking) == ("new type", False)
    assert (gone.rule, gone.breaking, gone.field) == ("removed", True, "")
    assert gone.sentence.startswith(f"{WIRE}: removed. ")


def test_types_that_change_alike_share_one_sentence() -> None:
    both = [
        change
        for wire in (WIRE, "users.user.erased.v1")
        for change in changes(wire, schema(a=int, b=int), schema(a=str) if wire == WIRE else schema(a=str, b=int))
    ]
    assert sentences(both) == [
        f"{WIRE}, b: removed. Consumers that read it would park every event.",
        f"{WIRE} (and erased.v1), a: integer became string. Consumers that read it would park every event.",
    ]
