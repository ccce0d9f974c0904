"""Real users from a CSV file, as Django's `auth_user` table is exported."""

import csv
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from users.models import User
from users.seeding import BATCH, DATABASE, known, suspend

#: An integer id becomes the same UUID in every import: uuid5 of this namespace and "auth_user/<id>".
NAMESPACE = uuid.UUID("0b9f6c0e-54c4-4a3e-8a5b-7d1e9b1f2a66")
COLUMNS = "id, email, name (or first_name and last_name), and status or is_active where there is one"
YES, NO = {"1", "t", "true", "y", "yes"}, {"0", "f", "false", "n", "no"}


class UnreadableExport(Exception):
    """The file can't be read, or its columns aren't those of an export. The text may be shown."""


class _Bad(Exception):
    """Why a row can't become a user."""


@dataclass(frozen=True)
class BadRow:
    """A row that can't become a user: its line in the file, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """A good row. Smaller than a `User`: a whole file of them is held at a time."""

    line: int
    id: uuid.UUID
    email: str
    name: str
    active: bool
    joined: datetime

    def user(self) -> User:
        """The user, not saved yet. When a suspension began isn't in an export, so it begins now."""
        user = User(id=self.id, email=self.email, name=self.name, created_at=self.joined, status_since=self.joined)
        if not self.active:
            suspend(user, "not active when imported", timezone.now())
        return user


@dataclass(frozen=True)
class Export:
    """What a file holds: the good rows, and the bad ones by line."""

    rows: list[Row]
    bad: list[BadRow]


def read_export(path: Path) -> Export:
    """Read and check a whole file, against itself and against the users that are there. Raises `UnreadableExport`."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
            _check_columns(reader.fieldnames)
            export = _read_rows(reader)
    except OSError as error:
        raise UnreadableExport(f"{path} can't be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableExport(f"{path} is not CSV in UTF-8: {error}.") from error
    rows, bad = _without_taken(export.rows)
    return Export(rows, sorted([*export.bad, *bad], key=lambda row: row.line))


def _check_columns(names: Iterable[str]) -> None:
    there = set(names)
    missing = [name for name in ("id", "email") if name not in there]
    if "name" not in there and not {"first_name", "last_name"} <= there:
        missing.append("name")
    if missing:
        raise UnreadableExport(f"The file has no column {', '.join(missing)}. Its first line must name the columns: {COLUMNS}.")


def _read_rows(reader: "csv.DictReader[str]") -> Export:
    rows: list[Row] = []
    bad: list[BadRow] = []
    lines: dict[object, int] = {}  # where an id or an address was first
    for record in reader:
        # A quoted value may hold line breaks; the row's line is its first.
        line = reader.line_num - sum(value.count("\n") for value in record.values() if isinstance(value, str))
        try:
            row = _row(line, record)
            for what, value in (("id", row.id), ("e-mail address", row.email)):
                if value in lines:
                    raise _Bad(f"its {what} is that of line {lines[value]}")
        except _Bad as error:
            bad.append(BadRow(line, str(error)))
        else:
            lines[row.id] = lines[row.email] = line
            rows.append(row)
    return Export(rows, bad)


def _row(line: int, record: dict[str, str]) -> Row:
    if None in record or None in record.values():
        raise _Bad("it has more or fewer values than the first line has columns")
    values = {name: " ".join(value.split()) for name, value in record.items()}
    if any("\x00" in value for value in values.values()):
        raise _Bad("it holds a NUL character")
    return Row(line, _id(values), _email(values), _name(values), _active(values), _joined(values))


def _id(values: dict[str, str]) -> uuid.UUID:
    text = values["id"]
    if re.fullmatch(r"[0-9]{1,19}", text):
        return uuid.uuid5(NAMESPACE, f"auth_user/{int(text)}")
    try:
        return uuid.UUID(text)
    except ValueError:
        raise _Bad(f"id {text[:50]!r} is neither an integer nor a UUID") from None


def _email(values: dict[str, str]) -> str:
    email = values["email"]
    try:
        validate_email(email)
    except ValidationError:
        raise _Bad(f"{email[:80]!r} is not an e-mail address" if email else "it has no e-mail address") from None
    if len(email) > 254:
        raise _Bad("its e-mail address has more than 254 characters")
    return email


def _name(values: dict[str, str]) -> str:
    name = values.get("name") or f"{values.get('first_name', '')} {values.get('last_name', '')}".strip() or values.get("username")
    if not name:
        raise _Bad("it has no name")
    if len(name) > 200:
        raise _Bad("its name has more than 200 characters")
    return name


def _active(values: dict[str, str]) -> bool:
    if "status" in values:
        status = values["status"].lower()
        if status not in {"active", "suspended"}:
            raise _Bad(f"status {status[:50]!r} is neither active nor suspended")
        return status == "active"
    flag = values.get("is_active", "true").lower()
    if flag not in YES | NO:
        raise _Bad(f"is_active {flag[:50]!r} is neither true nor false")
    return flag in YES


def _joined(values: dict[str, str]) -> datetime:
    text = values.get("date_joined") or values.get("created_at")
    if not text:
        return timezone.now()
    try:
        joined = parse_datetime(text)
    except ValueError:
        joined = None
    if joined is None or not 1900 <= joined.year <= 9000:
        raise _Bad(f"{text[:50]!r} is not a date and time")
    return joined if joined.tzinfo else joined.replace(tzinfo=UTC)


def _without_taken(rows: list[Row]) -> tuple[list[Row], list[BadRow]]:
    """The rows whose id and address no user has, and the others."""
    free: list[Row] = []
    bad: list[BadRow] = []
    remaining: Iterator[Row] = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        ids = known(row.id for row in batch)
        users = User.objects.using(DATABASE).filter(email__in=[row.email for row in batch])
        emails = set(users.values_list("email", flat=True))
        for row in batch:
            if row.id in ids:
                bad.append(BadRow(row.line, "a user with its id is there already, or was there once"))
            elif row.email in emails:
                bad.append(BadRow(row.line, "another user has its e-mail address"))
            else:
                free.append(row)
    return free, bad
