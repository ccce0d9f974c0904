"""A consumer's client for an authority's API: one connection, kept open, with the consumer's token.

An authority without an address in this process needs neither: it is called (`in_process`).
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import from_json

from messaging import settings
from messaging.errors import AnswerTooLarge, BelowFloor, BodyTooLarge, Denied, NotNow, Unreachable
from messaging.events.text import kind, printable
from messaging.replica import answers, in_process

if TYPE_CHECKING:
    from urllib3 import PoolManager

#: Seconds to connect, and until an answer begins (in addition to the wait of a long poll).
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
#: The most bytes of a fingerprint in an answer.
FINGERPRINT_BYTES = 100
#: Bounds in one request for fingerprints that an authority accepts, and that one of the last release accepts.
MOST_BOUNDS, FEWER_BOUNDS = 25_000, 2_000
#: An authority accepts 256 KiB. Ids that are texts can be longer than UUIDs, so requests with many of them are split.
MOST_REQUEST_BYTES = 250_000
#: Seconds for which a request is retried after 429. Then the authority counts as unreachable.
PATIENCE_SECONDS = 60.0
#: Reasons of a refusal that a new token ends.
NEED_A_TOKEN = {"no_token", "unknown_token", "expired_token"}


@dataclass(frozen=True)
class Page:
    """A page of the feed."""

    #: The last position of the feed.
    head: int
    #: The position from which the next page continues.
    next: int
    #: The authority's time, ISO 8601.
    time: str
    #: The changes, as `read` returned them.
    results: list[Any]
    #: Tombstones up to this position may be purged; 0 if the request sent no `floor`.
    floor: int = 0
    #: `mark`, `refused` and `reported` are those of `history.Answer`.
    mark: str | None = None
    refused: Sequence[int] = ()
    reported: int | None = None


class AuthorityClient:
    """An authority's API, as one of its consumers sees it. `bytes` (of bodies) and `round_trips` count its traffic.

    Every method raises `Unreachable` or `Denied`.

    Parameters
    ----------
    patience
        Seconds until an answer must begin, in addition to the wait of a long poll. The whole answer may take twice as long. A
        slower answer, or one larger than `answers.LARGEST_ANSWER_BYTES`, raises `Unreachable`.
    kind
        The kind of the ids, "uuid", "integer" or "text". Another id in an answer raises `Unreachable`.
    """

    def __init__(self, name: str, consumer: str, *, patience: float = ANSWER_SECONDS, kind: str = "uuid") -> None:
        self.name, self.consumer, self.patience = name, consumer, patience
        self._here = in_process.runs_here(name)
        self.url, token = settings.api_url(name), "" if self._here else settings.api_token(consumer, name)
        self.where = "in this process" if self._here else f"at {self.url or 'an unknown address'}"
        self._kind, self._readers = kind, answers.readers(kind)
        self.bytes = self.round_trips = 0
        self._most_bounds = MOST_BOUNDS
        self._most: int | None = None  # rows per page, after a page exceeded the limit of bytes
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"} if token else {"Accept-Encoding": "gzip"}
        self._pool: PoolManager | None = None
        self._lock = threading.Lock()  # a request that is sent `ahead` has a thread of its own

    def changes(
        self,
        since: int,
        *,
        limit: int = 1000,
        until: int | None = None,
        wait: int = 0,
        read: Callable[[bytes], Any] | None = None,
        **report: Any,
    ) -> Page:
        """Return a page of the changes after a position.

        Parameters
        ----------
        limit
            The most rows. The page has fewer if they would be too many bytes.
        wait
            Seconds for which the authority may wait for a change.
        read
            Turns the page's JSON into a dict. Default: the results' data stay dicts.
        report
            Other parameters of the API: checkpoint, live and grant; the known floor; marks (`pull.marks_parameter`).

        Raises
        ------
        BelowFloor
            The authority purged tombstones after `since`, so the copy has to bootstrap.
        """
        wanted = limit
        while True:
            limit = min(wanted, self._most or wanted)
            asked = {"since": since, "limit": limit, "until": until, "wait": wait or None, **report}
            given = {name: value for name, value in asked.items() if value is not None}
            try:
                page = Page(**self._ask("GET", "changes/", given, wait=wait, read=read or self._readers.page.validate_json))
            except AnswerTooLarge:
                if limit == 1:
                    raise
                self._most = max(1, limit // 4)  # rows may be large
            else:
                if limit == self._most:
                    self._most *= 2  # later rows may be smaller
                break
        end = page.head if until is None else min(until, page.head)
        if page.next > max(since, page.head) or page.next <= since < end:
            raise Unreachable(
                f"{self.name} returned an impossible page: it begins after position {since} and continues at {page.next}, "
                f"but the head is {page.head}."
            )
        return page

    def fingerprints(self, ranges: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the fingerprints between the bounds of each list."""
        number = sum(map(len, ranges))
        if number > self._most_bounds or _too_much(chain.from_iterable(ranges)):
            if len(ranges) > 1:
                half = len(ranges) // 2
                return self.fingerprints(ranges[:half]) + self.fingerprints(ranges[half:])
            if number > 2:
                half = number // 2
                first, second = (self.fingerprints([part])[0] for part in (ranges[0][: half + 1], ranges[0][half:]))
                return [first + second]
        try:
            return self._fingerprints(ranges)
        except Denied as error:
            if error.reason != "bad_request" or number <= FEWER_BOUNDS:
                raise
            self._most_bounds = FEWER_BOUNDS
            return self.fingerprints(ranges)

    def _fingerprints(self, ranges: Sequence[Sequence[str]]) -> list[list[str]]:
        largest = answers.LARGEST_ERROR_BYTES + sum(map(len, ranges)) * FINGERPRINT_BYTES
        found = self._ask("POST", "fingerprints/", {"ranges": ranges}, read=answers.MEASURED.validate_json, largest=largest)[
            "fingerprints"
        ]
        if [len(texts) for texts in found] != [len(bounds) - 1 for bounds in ranges]:
            raise Unreachable(f"{self.name} answered for other ranges than requested.")
        return list(found)

    def rows(self, ranges: Sequence[Sequence[str]]) -> list[list[list[Any]]]:
        """Return the rows (id, version, hash) of each range [from, to), by id."""
        if _too_much(chain.from_iterable(ranges)) and len(ranges) > 1:
            half = len(ranges) // 2
            return self.rows(ranges[:half]) + self.rows(ranges[half:])
        found = self._ask("POST", "fingerprints/", {"rows": ranges}, read=self._readers.listed.validate_json)["rows"]
        if len(found) != len(ranges) or not all(_lies_in(between, rows) for between, rows in zip(ranges, found, strict=True)):
            raise Unreachable(f"{self.name} answered for other ranges than requested.")
        return list(found)

    def records(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the current state of these aggregates, without the unknown ones."""
        half = len(ids) // 2
        if half and _too_much(ids):
            return self.records(ids[:half]) + self.records(ids[half:])
        try:
            found = self._ask("POST", "fingerprints/", {"ids": ids}, read=self._readers.records.validate_json)["records"]
        except AnswerTooLarge:
            if not half:
                raise
            return self.records(ids[:half]) + self.records(ids[half:])
        wanted = set(ids)
        return [record for record in found if record["id"] in wanted]

    def record(self, aggregate_id: str) -> dict[str, Any] | None:
        """Return one aggregate, or None if the authority doesn't know it."""
        if self._kind == "text":  # it may not fit into a path
            return next(iter(self.records([aggregate_id])), None)
        try:
            found = dict(self._ask("GET", f"{aggregate_id}/", {}, read=self._readers.record.validate_json))
        except Denied as error:
            if error.reason == "unknown_id":
                return None
            raise
        if found["id"] != aggregate_id:
            raise Unreachable(f"{self.name} answered with another record than requested.")
        return found

    def registration(self) -> dict[str, Any]:
        """Return the consumer's own entry in the register."""
        return dict(self._ask("GET", "registration/", {}, read=answers.REGISTRATION.validate_json))

    def ahead(self) -> ThreadPoolExecutor | in_process.AtOnce:
        """Return an executor for a request that is sent while the caller works on."""
        return in_process.AtOnce() if self._here else ThreadPoolExecutor(1)

    def close(self) -> None:
        if self._pool:
            self._pool.clear()

    def _ask(
        self,
        method: str,
        path: str,
        asked: Mapping[str, Any],
        *,
        read: Callable[[bytes], Any],
        wait: int = 0,
        largest: int | None = None,
    ) -> Any:
        """Send a request; after 429 retry it for `PATIENCE_SECONDS`. `largest`: bytes of the unpacked answer."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, headers, raw = self._answer(method, path, asked, wait)
            pause = _retry_after(headers) if status == 429 else None
            if pause is None or time.monotonic() + pause > ends:
                return self._content(status, headers, raw, read, largest or answers.LARGEST_ANSWER_BYTES)
            time.sleep(pause + random.uniform(0.0, 0.5))  # jitter, so that clients don't return all at once

    def _answer(self, method: str, path: str, asked: Mapping[str, Any], wait: int) -> tuple[int, Mapping[str, str], bytes]:
        body = json.dumps(asked, separators=(",", ":"), ensure_ascii=False).encode() if method == "POST" else None
        if self._here:
            status, raw = in_process.answer(self.name, self.consumer, path, asked)
            self._count(raw, body)
            return status, {}, raw
        if not self.url:
            variable = f"{settings.authority(self.name).upper()}_API_URL"
            raise Unreachable(f"The address of {self.name} isn't set. Set {variable}, or MESSAGING['API_URL']")
        # Not at the top: loading an HTTP client takes a twentieth of a program's start, and most programs ask no authority.
        from messaging.replica import connections

        with self._lock:
            self._pool = self._pool or connections.pool(self._headers)
        url = f"{self.url}/api/{self.name}/{path}"
        began = time.monotonic()
        try:
            answer = self._pool.request(
                method,
                url,
                body=body,
                fields=dict(asked) if method == "GET" else None,
                headers={**self._headers, "Content-Type": "application/json"} if body else None,
                timeout=connections.Timeout(connect=min(CONNECT_SECONDS, self.patience), read=self.patience + wait),
                preload_content=False,
            )
            raw = answers.whole(answer)
            answer.release_conn()
        except BodyTooLarge as error:
            answer.close()
            raise self._too_large(error) from None
        except (connections.HTTPError, OSError) as error:
            late = time.monotonic() - began >= 2 * (self.patience + wait)
            why = f"its answer took longer than {2 * (self.patience + wait):g} s" if late else _brief(error)
            raise Unreachable(f"{self.name} doesn't answer {self.where}: {why}") from None
        self._count(raw, body)
        return answer.status, answer.headers, raw

    def _count(self, received: bytes, sent: bytes | None) -> None:
        with self._lock:
            self.round_trips += 1
            self.bytes += len(received) + len(sent or b"")

    def _get_token(self) -> str:
        """Say how to get a token. A feed may have a name of its own, but its context issues the tokens."""
        owner = settings.authority(self.name)
        register = f"manage.py consumers register {self.consumer} --to {owner} --new-token"
        return (
            f"Where {owner} runs, issue a token: {register}. Then store it for MESSAGING['API_TOKEN'] where {self.consumer} runs."
        )

    def _too_large(self, error: BodyTooLarge) -> AnswerTooLarge:
        return AnswerTooLarge(f"{self.name} {self.where} answered with {error}.")

    def _content(self, status: int, headers: Mapping[str, str], raw: bytes, read: Callable[[bytes], Any], largest: int) -> Any:
        encoding = headers.get("Content-Encoding", "")
        try:
            plain = answers.plain(raw, encoding, largest if status == 200 else answers.LARGEST_ERROR_BYTES)
            if status == 200:
                return read(plain)
            content = from_json(plain)
        except BodyTooLarge as error:
            if status == 200:
                raise self._too_large(error) from None
            raise Unreachable(f"{self.name} {self.where} answered {status} with {error}.") from None
        except ValidationError as error:
            raise misread(self.name, error) from None
        except ValueError:
            raise Unreachable(f"{self.name} {self.where} answered {status} with something that isn't JSON.") from None
        known = content if isinstance(content, dict) else {}
        detail = printable(str(known.get("detail") or content)[:300])
        if status == 410:
            raise BelowFloor(detail)
        if status in (400, 401, 403, 404):
            reason = printable(str(known.get("reason", "bad_request"))[:50])
            todo = f" {self._get_token()}" if reason in NEED_A_TOKEN else ""
            raise Denied(reason, f"{self.name} refuses ({status}): {detail}{todo}")
        if status == 503 and "detail" in known:
            raise NotNow(f"{self.name} {self.where} can't answer now ({status}): {detail}")
        raise Unreachable(f"{self.name} {self.where} answered {status}{' (too many requests)' if status == 429 else ''}.")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait, from a header with seconds or a time; None if it can't be read."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def misread(authority: str, error: ValidationError) -> Unreachable:
    """Make the error for an invalid answer, without its values: they may be personal data."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    if any(problem["type"] == "json_invalid" for problem in problems):
        return Unreachable(f"{authority} answered with something that isn't JSON.")
    first = problems[0]
    where = printable(".".join(map(str, first["loc"]))) or "the top level"
    return Unreachable(f"{authority} returned an invalid answer at {where}: {first['msg']}.")


def _lies_in(between: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
    """Return True if rows are within [low, high) and ascending. With repeated rows a comparison would never end."""
    low, high = between
    ids = [key for key, *_ in rows]
    return all(low <= key and (not high or key < high) for key in ids) and ids == sorted(set(ids))


def _too_much(texts: Iterable[str]) -> bool:
    """Return True if lists of these texts, as JSON, may be longer than a request may be."""
    return sum(len(json.dumps(text, ensure_ascii=False).encode()) + 3 for text in texts) > MOST_REQUEST_BYTES


def _brief(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return printable((str(reason).rpartition(": ")[2] or kind(reason))[:200])
