"""Read an authority's answers, within bounds of size, and validate their shapes. `connections` bounds their time.

Another program writes them, so they may be truncated, corrupt, endless or of a later release. Every key that is read has a rule
here; unknown keys are ignored.
"""

import zlib
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Generic, NotRequired, TypeVar

from pydantic import AfterValidator, FailFast, Field, TypeAdapter
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from messaging.database.keys import LONGEST_ID
from messaging.errors import BodyTooLarge, TooManyParts
from messaging.events.contract import LARGEST_INTEGER, MARK, WITHOUT_NUL, Moment

#: The largest answer, both on the wire and unpacked.
LARGEST_ANSWER_BYTES = 32 * 1024 * 1024
#: The largest error, and the largest answer without rows.
LARGEST_ERROR_BYTES = 64 * 1024
#: The most lists and objects, and the most commas, in an answer. An empty list is three bytes with its comma, hundreds in memory.
MOST_PARTS, MOST_COMMAS = 500_000, 2_000_000
_PIECE_BYTES = 64 * 1024

Key = TypeVar("Key")
Facts = TypeVar("Facts")


def _storable(text: str) -> str:
    if not -LARGEST_INTEGER - 1 <= int(text) <= LARGEST_INTEGER:
        raise ValueError("not a 64-bit integer")
    return text


#: The ids that a copy can have, by the kind of its key.
IDS: dict[str, Any] = {
    "uuid": Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")],
    "integer": Annotated[str, Field(pattern=r"^(0|-?[1-9][0-9]{0,18})$"), AfterValidator(_storable)],
    "text": Annotated[str, Field(max_length=LONGEST_ID, pattern=WITHOUT_NUL)],
}
Position = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Text = Annotated[str, Field(pattern=WITHOUT_NUL)]
#: A time in ISO 8601, UTC.
Time = Annotated[Moment, AfterValidator(datetime.isoformat)]


ID_RULES = {"uuid": "a UUID", "integer": "a 64-bit integer", "text": f"a text of at most {LONGEST_ID} characters, without NUL"}


class WireChange(TypedDict, Generic[Key, Facts]):
    """A change of the feed, with its data as the consumer reads it."""

    id: Key
    version: Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
    position: Position | None
    time: Moment
    announced: bool
    deleted: bool
    erased: NotRequired[bool]  # an authority of an earlier release doesn't distinguish erased from deleted
    data: Facts


class WireRecord(WireChange[Key, dict[str, Any]], Generic[Key]):
    """A change whose data isn't read yet."""


class WirePage(TypedDict, Generic[Facts]):
    """A page of the feed, as `client.Page` describes it."""

    head: Position
    next: Position
    time: Time
    results: Annotated[list[Facts], FailFast()]  # a list of all errors could be larger than the answer
    floor: NotRequired[Position]
    mark: NotRequired[Annotated[str, Field(max_length=32, pattern=MARK)]]
    refused: NotRequired[Annotated[list[Position], FailFast()]]
    reported: NotRequired[Position | None]


class Listed(TypedDict, Generic[Key]):
    """The answer to `rows`."""

    rows: Annotated[list[Annotated[list[tuple[Key, Position, str]], FailFast()]], FailFast()]


class WireFingerprints(TypedDict):
    """The answer to `ranges`."""

    fingerprints: Annotated[list[Annotated[list[str], FailFast()]], FailFast()]


class Records(TypedDict, Generic[Key]):
    """The answer to `ids`."""

    records: Annotated[list[WireRecord[Key]], FailFast()]


class WireRegistration(TypedDict):
    """A consumer's own entry in the register."""

    queue: Text
    owners: Annotated[list[Text], FailFast()]
    grant: NotRequired[Annotated[str, Field(max_length=16, pattern=r"^[0-9a-f]*$")]]  # an earlier release sends none


MEASURED, REGISTRATION = TypeAdapter(WireFingerprints), TypeAdapter(WireRegistration)


class Readers:
    """The readers of answers with ids, for one kind of key."""

    def __init__(self, kind: str) -> None:
        key = IDS[kind]
        self.id = TypeAdapter(key)
        self.page, self.listed = TypeAdapter(WirePage[WireRecord[key]]), TypeAdapter(Listed[key])  # type: ignore[valid-type]
        self.records, self.record = TypeAdapter(Records[key]), TypeAdapter(WireRecord[key])  # type: ignore[valid-type]


@lru_cache
def readers(kind: str) -> Readers:
    return Readers(kind)


def whole(answer: Any) -> bytes:
    """Read an answer's raw body. Raises `BodyTooLarge`."""
    pieces, size = [], 0
    for piece in answer.stream(_PIECE_BYTES, decode_content=False):
        size += len(piece)
        if size > LARGEST_ANSWER_BYTES:
            raise BodyTooLarge(LARGEST_ANSWER_BYTES)
        pieces.append(piece)
    return b"".join(pieces)


def plain(raw: bytes, encoding: str, largest: int) -> bytes:
    """Unpack a body. Raises `BodyTooLarge`; `ValueError` if it is truncated, corrupt or in an encoding that wasn't requested."""
    content = _unpacked(raw, encoding, largest)
    if len(content) > largest:
        raise BodyTooLarge(largest)
    if content.count(b"[") + content.count(b"{") > MOST_PARTS or content.count(b",") > MOST_COMMAS:
        raise TooManyParts
    return content


def _unpacked(raw: bytes, encoding: str, largest: int) -> bytes:
    if encoding.lower() in ("", "identity"):
        return raw
    if encoding.lower() != "gzip":
        raise ValueError("The encoding isn't gzip.")
    inflater = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        content = inflater.decompress(raw, largest + 1)
    except zlib.error:
        raise ValueError("The body is corrupt.") from None
    if len(content) <= largest and (not inflater.eof or inflater.unused_data):
        raise ValueError("The body is truncated, or has bytes after its end.")
    return content
