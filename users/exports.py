"""Reads real users from a CSV file: an export of Django's `auth_user` table."""

import codecs
import csv
import io
import re
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from users.models import User
from users.seeding import BATCH, DATABASE, known, suspend

#: An integer id becomes the same UUID in every import: uuid5 of this namespace and "auth_user/<id>".
NAMESPACE = uuid.UUID("0b9f6c0e-54c4-4a3e-8a5b-7d1e9b1f2a66")
COLUMNS = "id, email, name (or first_name and last_name) and, optionally, status or is_active"
YES, NO = {"1", "t", "true", "y", "yes"}, {"0", "f", "false", "n", "no"}


class UnreadableExport(Exception):
    """The file can't be read, or lacks columns of an export. The text may be shown to a person."""


class _Bad(Exception):
    """The reason why a row can't become a user."""


@dataclass(frozen=True)
class BadRow:
    """A row that can't become a user: its line in the file, and the reason."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row that can become a user."""

    line: int
    id: uuid.UUID
    email: str
    name: str
    active: bool
    joined: datetime

    def user(self) -> User:
        """Make the user, not saved yet. An export doesn't say when a suspension began, so it begins now."""
        user = User(id=self.id, email=self.email, name=self.name, created_at=self.joined, status_since=self.joined)
        if not self.active:
            suspend(user, "not active when imported", timezone.now())
        return user


@dataclass(frozen=True)
class Export:
    """The good and the bad rows of a file. They are in a scratch database on disk, so a large file needs no more memory than a
    small one, and a pipe is read only once."""

    scratch: sqlite3.Connection

    @property
    def good(self) -> int:
        """The number of rows that can become users."""
        return self._count("good")

    @property
    def bad(self) -> int:
        return self._count("bad")

    def rows(self, behind: int = 0) -> Iterator[Row]:
        """Iterate over the good rows after a line."""
        statement = "SELECT line, id, email, name, active, joined FROM good WHERE line > ? ORDER BY line"
        found = self.scratch.execute(statement, [behind])
        for line, key, email, name, active, joined in found:
            yield Row(line, uuid.UUID(key), email, name, bool(active), datetime.fromisoformat(joined))

    def bad_rows(self) -> Iterator[BadRow]:
        return (BadRow(*found) for found in self.scratch.execute("SELECT line, reason FROM bad ORDER BY line"))

    def refuse(self, line: int, reason: str) -> None:
        self.scratch.execute("DELETE FROM good WHERE line = ?", [line])
        self.scratch.execute("INSERT INTO bad VALUES (?, ?)", [line, reason])

    def add(self, row: Row) -> None:
        """Add a good row. Raises `_Bad` if another line has its id or its address."""
        for what, column, value in (("id", "id", row.id.hex), ("e-mail address", "email", row.email)):
            other = self.scratch.execute(f"SELECT line FROM good WHERE {column} = ?", [value]).fetchone()
            if other:
                raise _Bad(f"its {what} is also in line {other[0]}")
        values = (row.line, row.id.hex, row.email, row.name, row.active, row.joined.isoformat())
        self.scratch.execute("INSERT INTO good VALUES (?, ?, ?, ?, ?, ?)", values)

    def _count(self, table: str) -> int:
        return int(self.scratch.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@contextmanager
def read_export(path: Path) -> Iterator[Export]:
    """Read a whole file, and check its rows against each other and against existing users. Raises `UnreadableExport`."""
    with closing(sqlite3.connect("")) as scratch:  # the empty name: a temporary file, deleted when the connection closes
        scratch.execute("CREATE TABLE good (line INTEGER PRIMARY KEY, id UNIQUE, email UNIQUE, name, active, joined)")
        scratch.execute("CREATE TABLE bad (line INTEGER PRIMARY KEY, reason)")
        export = Export(scratch)
        _read(path, export)
        _refuse_taken(export)
        yield export


def _read(path: Path, export: Export) -> None:
    reader = None
    try:
        with path.open("rb") as binary:
            _check_encoding(binary, path)
            with io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
                _check_columns(reader.fieldnames)
                _read_rows(reader, export)
    except OSError as error:
        raise UnreadableExport(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UnreadableExport(f"{path} is not CSV in UTF-8: {error}.") from error
    except csv.Error as error:
        if "field larger than" in str(error):  # `csv` has one error class and no codes
            where = f"Line {reader.line_num}" if reader else "The first line"
            raise UnreadableExport(
                f"{where} of {path} has a value of more than {csv.field_size_limit():,} characters. "
                'Is a quotation mark (") left open there?'
            ) from error
        raise UnreadableExport(f"{path} is not CSV in UTF-8: {error}.") from error


def _check_encoding(binary: io.BufferedReader, path: Path) -> None:
    """Refuse UTF-16 (a spreadsheet's "Unicode text"). It has a byte order mark, or zero bytes between plain letters."""
    start = binary.peek(64)[:64]
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\x00" in start:
        raise UnreadableExport(f"{path} is not CSV in UTF-8: it is UTF-16. Export it as UTF-8.")


def _check_columns(names: Sequence[str]) -> None:
    if len(names) == 1:
        for mark, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in names[0]:
                raise UnreadableExport(f"The file's columns are separated by {called}. Export it with commas.")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise UnreadableExport(f"The file has the column {', '.join(twice)} more than once. Keep one of each.")
    missing = [name for name in ("id", "email") if name not in names]
    if "name" not in names and not {"first_name", "last_name"} <= set(names):
        missing.append("name")
    if missing:
        raise UnreadableExport(f"The file has no column {', '.join(missing)}. Its first line must name the columns: {COLUMNS}.")


def _read_rows(reader: "csv.DictReader[str]", export: Export) -> None:
    for record in reader:
        if not any(_texts(record)):
            continue  # spreadsheets leave empty rows after the last one
        # A quoted value may have line breaks, and the reader is at the row's last line.
        line = reader.line_num - sum(value.count("\n") for value in record.values() if isinstance(value, str))
        try:
            export.add(_row(line, record))
        except _Bad as error:
            export.refuse(line, str(error))


def _texts(record: dict[str, Any]) -> Iterator[str]:
    """Iterate over the values without blanks around them, surplus values too."""
    for value in record.values():
        yield from (text.strip() for text in (value if isinstance(value, list) else [value or ""]))


def _row(line: int, record: dict[str, str]) -> Row:
    if None in record or None in record.values():
        raise _Bad("the number of its values differs from the number of columns in the first line")
    values = {name: " ".join(value.split()) for name, value in record.items()}
    if any("\x00" in value for value in values.values()):
        raise _Bad("it has a NUL character")
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
    email = values["email"].lower()
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
    status, flag = values.get("status", "").lower(), values.get("is_active", "").lower()
    if "status" in values and status not in {"active", "suspended"}:
        raise _Bad(f"status {status[:50]!r} is neither active nor suspended")
    if "is_active" in values and flag not in YES | NO:
        raise _Bad(f"is_active {flag[:50]!r} is neither true nor false")
    if status and flag and (status == "active") != (flag in YES):
        raise _Bad(f"its status {status} contradicts its is_active {flag}")
    return status == "active" if status else flag not in NO


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


def _refuse_taken(export: Export) -> None:
    """Refuse the rows with the id or the address of an existing user."""
    last = 0
    while batch := list(islice(export.rows(behind=last), BATCH)):
        ids = known(row.id for row in batch)
        users = User.objects.using(DATABASE).filter(email__in=[row.email for row in batch])
        emails = set(users.values_list("email", flat=True))
        for row in batch:
            if row.id in ids:
                export.refuse(row.line, "a user with its id exists or existed")
            elif row.email in emails:
                export.refuse(row.line, "another user has its e-mail address")
        last = batch[-1].line
