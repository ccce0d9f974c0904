"""Consumers import nothing of a publisher, so their readers are checked against its committed schemas."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from messaging.consumer.handlers import table
from messaging.events.contract import schemas

ROOT = Path(__file__).resolve().parent.parent
PAIRS = [(context, wire) for context in ("users", "billing") for wire in table(context)]


def committed(wire):
    return json.loads((ROOT / wire.partition(".")[0] / "contracts" / f"{wire}.json").read_text())


@pytest.mark.parametrize("context", ["users", "billing"])
def test_the_committed_schemas_are_what_the_code_publishes(context):
    for wire, schema in schemas(context):
        assert committed(wire) == schema, f"Run `manage.py write_contracts {context}` and look at what changed."


@pytest.mark.parametrize(("context", "wire"), PAIRS)
def test_a_consumer_reads_only_fields_that_the_publisher_promises(context, wire):
    reader: type[BaseModel] = table(context)[wire].reads
    promised, wanted = committed(wire)["properties"], reader.model_json_schema()
    for name, field in wanted["properties"].items():
        assert name in promised, f"{context} reads {name} of {wire}, which nobody publishes."
        assert name in committed(wire)["required"] or name not in wanted.get("required", [])
        for rule in ("type", "format"):
            assert field.get(rule) == promised[name].get(rule)
        assert set(promised[name].get("enum", [])) <= set(field.get("enum", promised[name].get("enum", [])))
