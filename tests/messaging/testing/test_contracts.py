"""A consumer's readers against the publisher's schemas: each way in which they can disagree."""

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from billing import handlers as billing_handlers
from messaging.consumer import Handler
from messaging.testing import assert_contract
from tests.test_contracts import contracts

WIRE = "users.user.suspended.v1"


class Status(StrEnum):
    ACTIVE, SUSPENDED, ERASED = "active", "suspended", "erased"


class Tolerant(BaseModel):
    status: Status | None
    since: datetime = Field(alias="status_since")
    email: str | None = None
    name: Any = None


class Strange(BaseModel):
    phone: str


class OtherType(BaseModel):
    status_since: int


class Fewer(BaseModel):
    status: Literal["active", "suspended"]


class Closed(BaseModel):
    name: Literal["Ada"]


class Required(BaseModel):
    name: str


def reads(monkeypatch: pytest.MonkeyPatch, reader: type[BaseModel]) -> None:
    monkeypatch.setitem(billing_handlers.HANDLERS, WIRE, Handler(reads=reader, apply=billing_handlers.apply_user_changes))


def test_a_reader_may_accept_more_than_is_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    reads(monkeypatch, Tolerant)
    assert_contract("billing", "users", contracts("users"))


@pytest.mark.parametrize(
    ("reader", "problem"),
    [
        (Strange, f"billing reads phone of {WIRE}, which isn't published."),
        (OtherType, f"billing can't read status_since of {WIRE}: it may be string date-time."),
        (Fewer, f"billing can't read status of {WIRE}: it may be erased."),
        (Closed, f"billing accepts only Ada for name of {WIRE}, which has no list of values."),
    ],
)
def test_a_reader_that_disagrees_is_named(monkeypatch: pytest.MonkeyPatch, reader: type[BaseModel], problem: str) -> None:
    reads(monkeypatch, reader)
    with pytest.raises(AssertionError) as failure:
        assert_contract("billing", "users", contracts("users"))
    assert str(failure.value) == problem


def test_a_field_that_the_publisher_drops_is_named_for_each_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in contracts("users").glob("*.json"):
        schema = json.loads(file.read_text())
        schema["required"].remove("name")
        del schema["properties"]["status_since"]
        (tmp_path / file.name).write_text(json.dumps(schema))
    reads(monkeypatch, Required)
    with pytest.raises(AssertionError) as failure:
        assert_contract("billing", "users", tmp_path)
    problems = str(failure.value).splitlines()
    assert f"billing requires name of {WIRE}, which may be absent." in problems
    assert len([problem for problem in problems if "status_since" in problem]) == 4


def test_an_event_without_a_schema_and_a_stranger_are_named(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=rf"billing handles {WIRE}, but .* has no such schema\."):
        assert_contract("billing", "users", tmp_path)
    with pytest.raises(AssertionError, match=r"billing handles no event of monolith\."):
        assert_contract("billing", "monolith", tmp_path)
