"""Check a consumer's readers against a publisher's committed schemas. A consumer imports nothing of the publisher's code."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from messaging.consumer import handlers
from messaging.events.compatibility import inlined, listed_values


def assert_contract(consumer: str, publisher: str, schemas: Path) -> None:
    """Check that a consumer's handlers can read every event of a publisher that they handle.

    Parameters
    ----------
    schemas
        The folder with the publisher's JSON Schemas, as `write_contracts` writes them: its `contracts/`, or a copy of it.

    Raises
    ------
    AssertionError
        A handler reads a type or field that isn't published, requires one that may be absent, or refuses a promised value.
    """
    known = {wire: handler for wire, handler in handlers.table(consumer).items() if wire.startswith(f"{publisher}.")}
    problems = [] if known else [f"{consumer} handles no event of {publisher}."]
    for wire, handler in known.items():
        file = schemas / f"{wire}.json"
        if file.exists():
            promised, reader = json.loads(file.read_text()), handler.reads.model_json_schema()
            problems += [
                f"{consumer} {problem}" for problem in _problems(wire, inlined(promised, promised), inlined(reader, reader))
            ]
        else:
            problems.append(f"{consumer} handles {wire}, but {schemas} has no such schema.")
    if problems:
        raise AssertionError("\n".join(problems))


def _problems(wire: str, promised: Mapping[str, Any], reader: Mapping[str, Any]) -> Iterator[str]:
    for name, wanted in reader["properties"].items():
        field = promised["properties"].get(name)
        if field is None:
            yield f"reads {name} of {wire}, which isn't published."
            continue
        if name in reader.get("required", []) and name not in promised.get("required", []):
            yield f"requires {name} of {wire}, which may be absent."
        accepted = _kinds(wanted)
        if ("", "") not in accepted and (refused := _kinds(field) - accepted):
            yield f"can't read {name} of {wire}: it may be {' or '.join(' '.join(kind).strip() for kind in sorted(refused))}."
        elif listed := _listed(wanted):
            if more := _listed(field) - listed:
                yield f"can't read {name} of {wire}: it may be {' or '.join(sorted(more))}."
            elif not _listed(field):
                yield f"accepts only {' or '.join(sorted(listed))} for {name} of {wire}, which has no list of values."


def _alternatives(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(schema.get("anyOf", [schema]))


def _kinds(schema: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The (type, format) of each alternative; ("", "") is anything."""
    return {(part.get("type", ""), part.get("format", "")) for part in _alternatives(schema)}


def _listed(schema: Mapping[str, Any]) -> set[str]:
    return {str(value) for part in _alternatives(schema) for value in listed_values(part)}
