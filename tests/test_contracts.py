"""Consumers import nothing of a publisher, so their readers are checked against its committed schemas."""

import json
from pathlib import Path

import pytest

from messaging.events.contract import schemas
from messaging.testing import assert_contract

ROOT = Path(__file__).resolve().parent.parent


def contracts(publisher):
    return ROOT / publisher / "contracts"


@pytest.mark.parametrize("context", ["users", "billing"])
def test_the_committed_schemas_are_what_the_code_publishes(context):
    for wire, schema in schemas(context):
        committed = json.loads((contracts(context) / f"{wire}.json").read_text())
        assert committed == schema, f"Run `manage.py write_contracts {context}` and look at what changed."


@pytest.mark.parametrize(("consumer", "publisher"), [("billing", "users"), ("users", "billing")])
def test_a_consumer_reads_only_fields_that_the_publisher_promises(consumer, publisher):
    assert_contract(consumer, publisher, contracts(publisher))
