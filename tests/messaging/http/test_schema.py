"""The OpenAPI schema describes the API: a fuzzer that knows only the schema finds nothing else."""

import io
import re
from urllib.parse import quote

import pytest
import schemathesis
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from schemathesis.checks import positive_data_acceptance

from messaging.http.parsing import LARGEST_REQUEST_BYTES
from messaging.models import Consumer
from tests.messaging.http.conftest import Api, registered
from users.models import User
from users.seeding import demo_users, save
from users.services import user_erase

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

REFUSALS = ["400", "401", "403", "404", "405", "413", "415", "429"]
SCHEMA = schemathesis.openapi.from_wsgi(
    "/api/schema/?format=json",
    get_wsgi_application(),
    config=schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}),
)


@pytest.fixture
def token(transactional_db) -> str:
    users = list(demo_users(5, suspended=0.4))
    save(iter(users), with_events=False)
    user_erase(user_id=users[0].pk)
    return registered("billing", owners=["team@example.org"])


@SCHEMA.parametrize()
@settings(max_examples=50, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_input_gets_an_answer_that_the_schema_does_not_know(case, token):
    Consumer.objects.using("users").update(bootstrap_open=True, bootstrapped_to=0)  # an earlier input may have closed it
    if str((case.query or {}).get("wait")) in map(str, range(1, 31)):
        case.query["wait"] = "0"  # it would wait, which is correct
    # Bounds are in ascending order, which JSON Schema can't express.
    beyond_the_schema = [positive_data_acceptance] if case.path.endswith("/fingerprints/") else []
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    case.call_and_validate(headers=headers, excluded_checks=beyond_the_schema)


def test_answers_with_content_are_as_the_schema_says(token):
    users, api = list(User.objects.using("users").all()), Api(token)
    ids = [str(user.pk) for user in users]
    answers = {
        ("/api/users/changes/", "GET"): api.get("changes/?since=0"),
        ("/api/users/{aggregate_id}/", "GET"): api.get(f"{ids[0]}/"),
        ("/api/users/registration/", "GET"): api.get("registration/"),
        ("/api/users/fingerprints/", "POST"): api.post({"ranges": [["", "8", ""]], "rows": [["", ""]], "ids": ids}),
    }
    for (path, method), answer in answers.items():
        assert answer.status_code == 200, answer.content
        validator(path, method).validate(answer.json())
    assert len(answers["/api/users/changes/", "GET"].json()["results"]) == len(users) == 5
    assert len(answers["/api/users/fingerprints/", "POST"].json()["records"]) == 5


def test_the_schema_is_valid_and_complete():
    written = io.StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=written)  # raises at a warning
    assert "/api/users/changes/" in written.getvalue()


def test_every_operation_names_its_refusals():
    documented = {
        f"{method} {path}": set(operation["responses"])
        for path, operations in SCHEMA.raw_schema["paths"].items()
        for method, operation in operations.items()
    }
    shown = {
        "get changes/": {"200", "400", "401", "403", "410", "429"},
        "post fingerprints/": {"200", "400", "401", "413", "415", "429"},
        "get registration/": {"200", "401", "429"},
        "get {aggregate_id}/": {"200", "400", "401", "404", "429"},
    }
    feeds = {
        f"{method} /api/{authority}/{path}": answers
        for authority in ("users", "billing", "monolith", "monolith_invoices")
        for (method, path), answers in ((name.split(), answers) for name, answers in shown.items())
    }
    assert documented == {
        **feeds,
        "get /api/users/contracts/": {"200"},
        "get /api/billing/contracts/": {"200"},
    }


def test_the_pages_of_the_schema_need_no_other_server(client):
    page = client.get("/api/docs/").content.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    script = "/api/docs/?script="
    assert [source for source in sources if not source.startswith("/static/")] == [script]
    assert '"validatorUrl": null' in client.get(script).content.decode()


def test_refusals_that_the_fuzzer_does_not_come_to_are_as_the_schema_says(token, settings):
    api = Api(token)
    fingerprints = "/api/users/fingerprints/"
    refused = {
        413: api.post(b" " * (LARGEST_REQUEST_BYTES + 1)),
        415: api.ask("POST", "fingerprints/", b"<a/>", content_type="text/xml"),
    }
    settings.MESSAGING = {**settings.MESSAGING, "API_RATE": 0.1}  # one per span; and a span may end meanwhile
    refused[429] = next(answer for _ in range(3) if (answer := api.post({"ids": []})).status_code == 429)
    for status, answer in refused.items():
        assert answer.status_code == status
        validator(fingerprints, "POST", str(status)).validate(answer.json())
    assert "Retry-After" in SCHEMA.raw_schema["paths"][fingerprints]["post"]["responses"]["429"]["headers"]


def validator(path: str, method: str, status: str = "200"):
    """Return a validator for the JSON of an answer."""
    place = ["paths", path, method.lower(), "responses", status, "content", "application/json", "schema"]
    pointer = "/".join(quote(part.replace("~", "~0").replace("/", "~1"), safe="~") for part in place)
    known = {**SCHEMA.raw_schema, "$ref": f"#/{pointer}"}
    return Draft202012Validator(known, format_checker=Draft202012Validator.FORMAT_CHECKER)
