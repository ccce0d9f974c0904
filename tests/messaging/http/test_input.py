"""Wrong input: each answer names the field and the rule, and none is a 500."""

import gzip
import json

import pytest

from messaging.http import parsing, serializers
from tests.messaging.http.conftest import Api

# A refused request changes nothing, and reads nothing that others must see: the transaction can be rolled back.
pytestmark = pytest.mark.django_db(databases="__all__")

WHOLE = "A valid integer is required."
BEYOND = 2**63


def wrong(answer) -> dict[str, list[str]]:
    """Return the fields that a 400 names, each with its rules."""
    said = answer.json()
    assert answer.status_code == 400, said
    assert said["reason"] == "bad_request"
    assert said["detail"]
    fields: dict[str, list[str]] = said["fields"]
    return fields


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ("", "since", "This field is required."),
        ("since=", "since", WHOLE),
        ("since=x", "since", WHOLE),
        ("since=1.0", "since", WHOLE),
        ("since=1_000", "since", WHOLE),
        ("since=%201", "since", WHOLE),
        ("since=%2B1", "since", WHOLE),
        ("since=0x10", "since", WHOLE),
        ("since=1%00", "since", WHOLE),
        ("since=%00", "since", WHOLE),
        ("since=%D9%A1", "since", WHOLE),
        ("since=%ED%A0%80", "since", WHOLE),
        ("since=%FF", "since", WHOLE),
        ("since=null", "since", WHOLE),
        ("since[]=1", "since", "This field is required."),
        (f"since={'9' * 5000}", "since", WHOLE),
        ("since=-1", "since", "Ensure this value is greater than or equal to 0."),
        (f"since={BEYOND}", "since", f"Ensure this value is less than or equal to {BEYOND - 1}."),
        ("since=0&since=1", "since", "Give this parameter only once."),
        ("since=0&since=0", "since", "Give this parameter only once."),
        ("since=0&until=x", "until", WHOLE),
        ("since=0&until=-1", "until", "Ensure this value is greater than or equal to 0."),
        (f"since=0&until={BEYOND}", "until", f"Ensure this value is less than or equal to {BEYOND - 1}."),
        ("since=0&limit=0", "limit", "Ensure this value is greater than or equal to 1."),
        ("since=0&limit=10001", "limit", "Ensure this value is less than or equal to 10000."),
        ("since=0&limit=", "limit", WHOLE),
        ("since=0&limit=5&limit=6", "limit", "Give this parameter only once."),
        ("since=0&wait=-1", "wait", "Ensure this value is greater than or equal to 0."),
        ("since=0&wait=31", "wait", "Ensure this value is less than or equal to 30."),
        ("since=0&wait=0.5", "wait", WHOLE),
        ("since=0&checkpoint=-1", "checkpoint", "Ensure this value is greater than or equal to 0."),
        (f"since=0&checkpoint={BEYOND}", "checkpoint", f"Ensure this value is less than or equal to {BEYOND - 1}."),
        ("since=0&live=maybe", "live", "Must be a valid boolean."),
        ("since=0&live=", "live", "Must be a valid boolean."),
    ],
)
def test_a_wrong_query_gets_its_field_and_the_rule(users_api, query, field, rule):
    assert wrong(users_api.get(f"changes/?{query}")) == {field: [rule]}


def test_every_wrong_field_is_named(users_api):
    assert set(wrong(users_api.get("changes/?since=x&limit=0&wait=99&live=2"))) == {"since", "limit", "wait", "live"}


def test_more_parameters_than_anybody_needs_are_refused(users_api):
    answer = users_api.get("changes/?since=0&" + "&".join(f"x{number}=1" for number in range(1001)))
    assert (answer.status_code, answer.json()["reason"]) == (400, "bad_request")


TOO_MANY = "Ensure this field has no more than {} elements."
NO_ID = "Must be a valid UUID."
NO_BOUND = "Give an id or a prefix of one, in lower case."
NO_ORDER = "Give at least two bounds, in ascending order."
NO_OBJECT = "Invalid data. Expected a dictionary, but got {}."
NO_LIST = 'Expected a list of items but got type "{}".'
ID = "0190a2f0-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"input": ["Give ranges, rows or ids."]}),
        ({"range": [["", ""]]}, {"input": ["Give ranges, rows or ids."]}),
        ([], {"input": [NO_OBJECT.format("list")]}),
        ("x", {"input": [NO_OBJECT.format("str")]}),
        (5, {"input": [NO_OBJECT.format("int")]}),
        ({"ids": None}, {"ids": ["This field may not be null."]}),
        ({"ids": ID}, {"ids": [NO_LIST.format("str")]}),
        ({"ids": {"0": ID}}, {"ids": [NO_LIST.format("dict")]}),
        ({"ids": 1e300}, {"ids": [NO_LIST.format("float")]}),
        ({"ids": [ID, "x"]}, {"ids.1": [NO_ID]}),
        ({"ids": [5, True, None]}, {"ids.0": [NO_ID], "ids.1": [NO_ID], "ids.2": ["This field may not be null."]}),
        ({"ids": [[ID]]}, {"ids.0": [NO_ID]}),
        ({"ids": [f"{ID}\x00"]}, {"ids.0": [NO_ID]}),
        ({"ids": [f"{ID}\n"]}, {"ids.0": [NO_ID]}),
        ({"ids": [f"{{{ID}}}", f"urn:uuid:{ID}", ID.replace("-", "")]}, {f"ids.{place}": [NO_ID] for place in range(3)}),
        ({"ids": [ID] * 1001}, {"ids": [TOO_MANY.format(1000)]}),
        ({"ids": [1] * 80_000}, {"ids": [TOO_MANY.format(1000)]}),
        ({"ranges": [["", "z"]]}, {"ranges.0.1": [NO_BOUND]}),
        ({"ranges": [["", "A"]]}, {"ranges.0.1": [NO_BOUND]}),
        ({"ranges": [["", "a\n"]]}, {"ranges.0.1": [NO_BOUND]}),
        ({"ranges": [["", "\x00"]]}, {"ranges.0.1": [NO_BOUND]}),
        ({"ranges": [["", 7]]}, {"ranges.0.1": [NO_BOUND]}),
        ({"ranges": [["", None]]}, {"ranges.0.1": [NO_BOUND]}),
        ({"ranges": [["-", "0-0", "0123456789", "a" * 32]]}, {f"ranges.0.{place}": [NO_BOUND] for place in range(4)}),
        ({"ranges": [["", "a" * 37]]}, {"ranges.0.1": [NO_BOUND]}),
        ({"ranges": [[["", ""], ""]]}, {"ranges.0.0": [NO_BOUND]}),
        ({"ranges": ["ab"]}, {"ranges.0": [NO_LIST.format("str")]}),
        ({"ranges": [[]]}, {"ranges.0": [NO_ORDER]}),
        ({"ranges": [[""]]}, {"ranges.0": [NO_ORDER]}),
        ({"ranges": [["b", "a"]]}, {"ranges.0": [NO_ORDER]}),
        ({"ranges": [["", "", ""]]}, {"ranges.0": [NO_ORDER]}),
        ({"ranges": [["", "a", "", "b"]]}, {"ranges.0": [NO_ORDER]}),
        ({"ranges": [["", "b", "a", ""]]}, {"ranges.0": [NO_ORDER]}),
        ({"ranges": [["", "a", "a", ""]]}, {"ranges.0": [NO_ORDER]}),
        ({"ranges": [["", *(f"{n:04x}" for n in range(25000)), ""]]}, {"ranges.0": [TOO_MANY.format(25000)]}),
        ({"ranges": [["", ""]] * 12501}, {"ranges": ["Give at most 25000 bounds in all."]}),
        ({"ranges": [["", ""]] * 25001}, {"ranges": [TOO_MANY.format(25000)]}),
        ({"rows": [["", "8", ""]]}, {"rows.0": [TOO_MANY.format(2)]}),
        ({"rows": [["b", "a"]]}, {"rows.0": [NO_ORDER]}),
        ({"rows": [["", ""]] * 501}, {"rows": [TOO_MANY.format(500)]}),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_a_wrong_body_gets_its_field_and_the_rule(users_api, body, fields):
    assert wrong(users_api.post(body)) == fields


def test_an_answer_is_never_many_times_as_long_as_the_question(users_api):
    answer = users_api.post({"ids": [1] * 1000})
    assert len(wrong(answer)) == 20
    assert len(answer.content) < 2000


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"x", b"\xff", b"\x00", b"{}{}", b"'x'", b'{"ids": [NaN]}', b'{"ids": [Infinity]}', b'{"ids": ["\\ud800"]}',
        b'{"\\udfff": 1}', b'"\xed\xa0\x80"', b"[" * 100_000, b'{"a":' * 40_000, b"9" * 5000, '{"ids": []}'.encode("utf-16"),
    ],
    ids=lambda body: ascii(body[:24]),
)  # fmt: skip
def test_a_body_that_is_not_json_is_refused(users_api, body):
    answer = users_api.post(body)
    assert answer.status_code == 400
    said = answer.json()
    assert said["reason"] == "bad_request"
    assert said["detail"].startswith("The body is not JSON: ")


def test_a_body_may_be_as_long_as_the_limit_and_no_longer(users_api):
    body = json.dumps({"ids": [ID]}).encode()
    assert users_api.post(body.ljust(parsing.LARGEST_REQUEST_BYTES)).json() == {"records": []}
    answer = users_api.post(body.ljust(parsing.LARGEST_REQUEST_BYTES + 1))
    assert (answer.status_code, answer.json()["reason"]) == (413, "too_large")


def test_the_largest_questions_are_shorter_than_the_limit():
    """Bounds are prefixes; those of whole ids are split among several requests (`test_requests_with_long_ids_are_split`)."""

    def most(bounds: int, ids: int) -> int:
        """Bytes of a question: a bound as long as one between two of ten million random ids, and whole ids."""
        return bounds * len('"0123456",') + ids * len(f'["{ID}"],')

    assert most(serializers.MOST_BOUNDS, 0) < parsing.LARGEST_REQUEST_BYTES
    assert most(0, 2 * serializers.MOST_ROWS + serializers.MOST_IDS) < parsing.LARGEST_REQUEST_BYTES


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "\xff/x", ""]
)
def test_a_body_of_another_type_is_refused(users_api, content_type):
    answer = users_api.ask("POST", "fingerprints/", b'{"ids": []}', content_type)
    assert (answer.status_code, answer.json()["reason"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "key", ["x", "%00", "%0a", "%ED%A0%80", "%FF", "1", f"{ID}x", f"{ID}%00", f"{ID}%0a", f"%7B{ID}%7D", "a" * 3000]
)
def test_a_wrong_id_gets_the_rule(users_api, key):
    assert wrong(users_api.get(f"{key}/")) == {"aggregate_id": [NO_ID]}


def test_a_compressed_fingerprint_question_is_no_json(users_api: Api):
    answer = users_api.ask("POST", "fingerprints/", gzip.compress(b'{"ids": []}'), **{"Content-Encoding": "gzip"})
    assert answer.status_code == 400


NO_PLAIN_ID = "Give an id: a text of 1 to 100 characters, without NUL."
NO_PLAIN_BOUND = "Give a text of at most 101 characters, without NUL."


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"ids": ["7", "-7", "é/%", "x" * 100], "rows": [["", "1"], ["a", "é"]], "ranges": [["", "x" * 101, ""]]}, {}),
        ({"ids": ["", "x" * 101, "a\x00", 5, None]}, {"ids": [NO_PLAIN_ID] * 4 + ["This field may not be null."]}),
        ({"ranges": [["", "x" * 102]]}, {"ranges": [NO_PLAIN_BOUND]}),
        ({"ranges": [["", "a\x00"]]}, {"ranges": [NO_PLAIN_BOUND]}),
        ({"ranges": [["", 7]]}, {"ranges": [NO_PLAIN_BOUND]}),
        ({"ranges": [["9", "10"]]}, {"ranges": [NO_ORDER]}),
        ({"rows": [["9", "10"]]}, {"rows": [NO_ORDER]}),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_ids_that_are_no_uuids_are_texts_in_the_order_of_texts(body, fields):
    query = serializers.PlainFingerprintsQuery(data=body)
    query.is_valid()
    assert {name: _rules(found) for name, found in query.errors.items()} == fields


def _rules(found):
    if isinstance(found, dict):
        found = list(found.values())
    return [rule for part in found for rule in (_rules(part) if isinstance(part, dict | list) else [str(part)])]
