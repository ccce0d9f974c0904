"""A consumer's way to an authority's API: one connection, kept open, with the consumer's token."""

import gzip
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3
from pydantic_core import from_json

from messaging import conf
from messaging.errors import MessagingError
from messaging.texts import kind

#: Seconds to connect, and to wait for an answer beyond what a long poll asked for.
CONNECT, ANSWER = 5.0, 30.0
#: Seconds in all that an authority may say "later" to one question, before it counts as one that doesn't answer.
PATIENCE = 60.0


class Unreachable(MessagingError):
    """The authority doesn't answer, or answers with an error of its own. Its own state; never "in sync"."""


class Denied(MessagingError):
    """The authority refuses: `reason` is for programs, the message for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BelowFloor(MessagingError):
    """What was asked for can't be told any more: tombstones were purged. Bootstrap."""


@dataclass(frozen=True)
class Page:
    """A page of the feed; `time` is the authority's, as ISO 8601. `results`: the changes, as they were read. `floor`: tombstones up
    to this position may be gone; 0 where that wasn't asked. `mark`, `refused`, `reported`: see `history.Answer`."""

    head: int
    next: int
    time: str
    results: list[Any]
    floor: int = 0
    mark: str | None = None
    refused: Sequence[int] = ()
    reported: int | None = None


class Authority:
    """An authority's API, as one of its consumers sees it. Counts what crosses the wire: `bytes` (bodies) and `round_trips`.

    `patience`: seconds that an answer may take, without what a long poll asked for."""

    def __init__(self, name: str, consumer: str, *, patience: float = ANSWER) -> None:
        self.name, self.consumer, self.patience = name, consumer, patience
        self.url, token = conf.api_url(name), conf.api_token(consumer, name)
        self.bytes = self.round_trips = 0
        self._pool = urllib3.PoolManager(
            maxsize=2,
            retries=False,
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"} if token else {"Accept-Encoding": "gzip"},
        )

    def changes(
        self,
        since: int,
        *,
        limit: int = 1000,
        until: int | None = None,
        wait: int = 0,
        read: Callable[[bytes], Any] = from_json,
        **report: Any,
    ) -> Page:
        """Changes behind a position. `read` makes a page of its JSON. `report`: checkpoint, live; floor, the one that is known;
        marks, the pairs that the copy has, as `history.shown` tells them.

        Raises `Unreachable`, `Denied`, `BelowFloor`.
        """
        asked = {"since": since, "limit": limit, "until": until, "wait": wait or None, **report}
        given = {name: value for name, value in asked.items() if value is not None}
        return Page(**self._ask("GET", "changes/", given, wait=wait, read=read))

    def fingerprints(self, ranges: Sequence[Sequence[str]]) -> list[list[str]]:
        """For each list of bounds the fingerprints between them."""
        return list(self._ask("POST", "fingerprints/", {"ranges": ranges})["fingerprints"])

    def rows(self, ranges: Sequence[Sequence[str]]) -> list[list[list[Any]]]:
        """For each [from, to) its rows: [id, version, hash]."""
        return list(self._ask("POST", "fingerprints/", {"rows": ranges})["rows"])

    def records(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The present state of these aggregates; unknown ones are left out."""
        return list(self._ask("POST", "fingerprints/", {"ids": ids})["records"])

    def record(self, aggregate_id: str) -> dict[str, Any] | None:
        """One aggregate; None where the authority doesn't know it."""
        try:
            return dict(self._ask("GET", f"{aggregate_id}/", {}))
        except Denied as error:
            if error.reason == "unknown_id":
                return None
            raise

    def registration(self) -> dict[str, Any]:
        """The consumer's own entry in the register."""
        return dict(self._ask("GET", "registration/", {}))

    def close(self) -> None:
        self._pool.clear()

    def _ask(
        self, method: str, path: str, asked: Mapping[str, Any], wait: int = 0, read: Callable[[bytes], Any] = from_json
    ) -> Any:
        """Asks again where the authority says when to (429), for `PATIENCE` seconds in all."""
        ends = time.monotonic() + PATIENCE
        while True:
            status, headers, raw = self._answer(method, path, asked, wait)
            pause = _retry_after(headers) if status == 429 else None
            if pause is None or time.monotonic() + pause > ends:
                return self._content(status, headers, raw, read)
            time.sleep(pause + random.uniform(0.0, 0.5))  # so that not all who were sent away come at once

    def _answer(self, method: str, path: str, asked: Mapping[str, Any], wait: int) -> tuple[int, Mapping[str, str], bytes]:
        url = f"{self.url}/api/{self.name}/{path}"
        body = json.dumps(asked, separators=(",", ":")).encode() if method == "POST" else None
        try:
            answer = self._pool.request(
                method,
                url,
                body=body,
                fields=dict(asked) if method == "GET" else None,
                headers={**self._pool.headers, "Content-Type": "application/json"} if body else None,
                timeout=urllib3.Timeout(connect=min(CONNECT, self.patience), read=self.patience + wait),
                preload_content=False,
            )
            raw = answer.read(decode_content=False)
            answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(f"{self.name} doesn't answer at {self.url}: {_brief(error)}") from None
        self.round_trips += 1
        self.bytes += len(raw) + len(body or b"")
        return answer.status, answer.headers, raw

    def _content(self, status: int, headers: Mapping[str, str], raw: bytes, read: Callable[[bytes], Any]) -> Any:
        try:
            content = (read if status == 200 else from_json)(_plain(raw, headers.get("Content-Encoding", "")))
        except (ValueError, OSError):
            raise Unreachable(f"{self.name} at {self.url} answered {status} with something that isn't JSON.") from None
        if status == 200:
            return content
        known = content if isinstance(content, dict) else {}
        detail = str(known.get("detail") or content)[:300]
        if status == 410:
            raise BelowFloor(detail)
        if status in (400, 401, 403, 404):
            raise Denied(str(known.get("reason", "bad_request")), f"{self.name} refuses ({status}): {detail}")
        raise Unreachable(f"{self.name} at {self.url} answered {status}{' (too many requests)' if status == 429 else ''}.")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds: the header has them, or a time. None where it says nothing that can be read."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None


def _plain(raw: bytes, encoding: str) -> bytes:
    if encoding != "gzip":
        return raw
    return gzip.decompress(raw)


def _brief(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return (str(reason).rpartition(": ")[2] or kind(reason))[:200]
