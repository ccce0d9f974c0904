"""A log line about an error has its place and first line, and nothing that a database adds."""

import logging
import uuid

import pytest
from django.db import IntegrityError, connections

from config.log_format import Plain
from messaging.events.text import traced

MORE = 'new row for relation "users_user" violates check constraint "c"\nDETAIL:  Failing row contains (7, ada@example.org, Ada).'

FIRST = "first\nDETAIL: ada"


def line(message: str, *arguments: object, error: BaseException | None = None) -> str:
    found = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("test", logging.ERROR, __file__, 1, message, arguments, found)  # type: ignore[arg-type]
    return Plain("{levelname} {name}: {message}", style="{").format(record)


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


def test_an_error_is_logged_with_its_first_line_and_its_place() -> None:
    said = line("it failed", error=raised(ValueError(MORE)))
    assert said.startswith("ERROR test: it failed\nTraceback (most recent call last):\n")
    assert "in raised" in said
    assert said.endswith('ValueError: new row for relation "users_user" violates check constraint "c"')


def test_so_are_its_causes() -> None:
    said = line("it failed", error=raised(RuntimeError("outer"), cause=raised(ValueError(MORE))))
    assert said.index("ValueError: new row") < said.index("This directly caused:") < said.index("RuntimeError: outer")
    assert "ada" not in said.lower()


def test_an_error_raised_while_another_is_handled_names_it_unless_suppressed() -> None:
    def failing(quiet: bool) -> None:
        try:
            raise ValueError(FIRST)
        except ValueError:
            if quiet:
                raise KeyError("second") from None
            raise KeyError("second")  # noqa: B904

    for quiet in (True, False):
        with pytest.raises(KeyError) as caught:
            failing(quiet)
        said = traced(caught.value)
        assert ("ValueError: first" in said) is not quiet
        assert "ada" not in said


@pytest.mark.parametrize(
    "message", [MORE, f"{ValueError(MORE)!r} raised", "x\nLINE 1: SELECT 'ada'\nmore", "x\nCONTEXT:  COPY ada"]
)
def test_a_message_that_has_an_error_in_it_is_cut_too(message: str) -> None:
    said = line("it failed: %s", message)
    assert "ada" not in said.lower()


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_real_database_error_is_reported_without_the_row() -> None:
    columns = "id, email, name, status, status_since, suspension_reason, created_at, updated_at"
    address = "ada@example.org"
    values = [uuid.uuid4().hex, address, "Ada", "active", None, "", None, None]
    with pytest.raises(IntegrityError) as caught, connections["users"].cursor() as cursor:
        cursor.execute(f"INSERT INTO users_user ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", values)
    said = line("it failed", error=caught.value)
    assert "IntegrityError: " in said
    assert address not in said
