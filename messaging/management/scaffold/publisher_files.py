"""The files of the context that publishes: events, feed, tests and the events' schemas."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from pydantic import create_model

from messaging.database.row_hash import kind_of_field
from messaging.events.contract import DomainEvent, schema_text
from messaging.management.scaffold import names
from messaging.management.scaffold.layout import bracketed, imports, indented, quoted
from messaging.management.scaffold.plan import Plan
from messaging.management.scaffold.samples import Sample


@dataclass(frozen=True)
class Written:
    """The publisher's files."""

    texts: dict[Path, str]  #: by path
    to_complete: list[str]  #: fields in the test's row that a person has to give a value


def publisher_files(plan: Plan) -> Written:
    """The new files; none if the publisher has a feed of the model already."""
    publisher = plan.publisher
    if publisher.feed is not None:
        return Written({}, [])
    sample = Sample()
    files = {publisher.folder / "events.py": _events(plan), publisher.folder / "feed.py": _feed(plan)}
    for wire in plan.wires:
        files[publisher.folder / "contracts" / f"{wire}.json"] = _schema(plan, wire)
    if publisher.is_new:
        files |= app_files(publisher.folder, publisher.name)
        tests = publisher.folder / "tests.py"
    else:  # beside the tests that it has
        package = publisher.folder / "tests"
        tests = (package if (package / "__init__.py").exists() else publisher.folder) / "test_feed.py"
    files[tests] = _tests(plan, sample)
    return Written(files, sample.unknown)


def app_files(folder: Path, name: str) -> dict[Path, str]:
    """The files that make a folder an app."""
    title = "".join(word.capitalize() for word in name.split("_"))
    apps = f"from django.apps import AppConfig\n\n\nclass {title}Config(AppConfig):\n    name = {quoted(name)}\n"
    return {folder / "__init__.py": "", folder / "apps.py": apps}


def record_call(plan: Plan, row: str, indent: int) -> str:
    """The line that records the event, where `row` is the variable with the row."""
    event = bracketed(f"{plan.changed}", [f"{fact.name}={row}.{fact.field.attname}" for fact in plan.facts], indent=indent + 5)
    using = quoted(plan.publisher.alias)
    return bracketed("record", [event, f"subject={row}.{_key(plan)}", f"using={using}"], indent=indent)


def _key(plan: Plan) -> str:
    return "pk" if plan.key.primary_key else plan.key.attname


def _sentence(plan: Plan) -> str:
    return f"{names.one(plan.model).capitalize()} is new, has changed, or was deleted."


def _events(plan: Plan) -> str:
    used = [("messaging.publisher", "DomainEvent"), *(fact.imported(reader=False) for fact in plan.facts)]
    facts = "\n".join(f"    {fact.name}: {fact.annotation(reader=False)}" for fact in plan.facts)
    (wire,) = plan.wires
    event = bracketed(f"class {plan.changed}", [plan.facts_class, f"wire={quoted(wire)}"], ":")
    return f'''\
{imports(used, plan.folder)}


class {plan.facts_class}(DomainEvent):
{facts}


{event}
    """{_sentence(plan)}"""
'''


def _feed(plan: Plan) -> str:
    used = [("messaging.publisher", "Feed"), (plan.publisher.module("events"), plan.facts_class)]
    arguments = [f"model={quoted(plan.model._meta.label)}"]
    if plan.aggregate != plan.model._meta.label_lower:
        arguments.append(f"aggregate={quoted(plan.aggregate)}")
    arguments.append(f"facts={plan.facts_class}")
    if not plan.key.primary_key:
        arguments.append(f"key={quoted(plan.key.name)}")
    sources = [f"{quoted(fact.name)}: {quoted(fact.source)}" for fact in plan.facts if fact.source]
    if sources:
        arguments.append(bracketed("fields=", sources, brackets="{}", indent=5))
    # No date means nothing, so a deleted row needs one.
    dates = [fact.name for fact in plan.facts if kind_of_field(fact.field) == "date" and not fact.nullable]
    if dates:
        used.append(("datetime", "date"))
        arguments.append(bracketed("gone=", [f"{quoted(name)}: date(1970, 1, 1)" for name in dates], brackets="{}", indent=5))
    if _is_written_at_login(plan):
        arguments.append('ignore=("last_login",)')
    return f"{imports(used, plan.folder, [plan.publisher.name])}\n\n{bracketed('FEED = Feed', arguments)}\n"


def _is_written_at_login(plan: Plan) -> bool:
    """Django writes `last_login` at each login. Without an event each would look like a change that was lost."""
    named = {field.name for field in plan.model._meta.concrete_fields}
    return issubclass(plan.model, AbstractBaseUser) and "last_login" in named - {fact.field.name for fact in plan.facts}


def _schema(plan: Plan, wire: str) -> str:
    """What `write_contracts` will write."""
    fields: dict[str, Any] = {fact.name: (fact.type | None if fact.nullable else fact.type, ...) for fact in plan.facts}
    event = create_model(plan.changed, __base__=DomainEvent, __doc__=_sentence(plan), **fields)
    return schema_text(wire, event)


def _tests(plan: Plan, sample: Sample) -> str:
    row = names.variable(plan.model)
    create = sample.create(plan.model, f"{row} = ", indent=12)
    used = [
        *sample.imports,
        ("io", "StringIO"),
        ("django.core.management", "call_command"),
        ("django.db", "transaction"),
        ("django.test", "TestCase"),
        ("messaging.publisher", "record"),
        ("messaging.testing", "assert_recorded"),
        (plan.publisher.module("events"), plan.changed),
    ]
    using, name = quoted(plan.publisher.alias), quoted(plan.publisher.name)
    databases = f"    databases = {{{using}}}\n\n" if plan.publisher.alias != "default" else ""
    check = bracketed("call_command", ['"write_contracts"', name, '"--check"', "stdout=StringIO()"], indent=8)
    recorded = bracketed("assert_recorded", [plan.changed, f"subject={row}.{_key(plan)}"], indent=8)
    return f"""\
{imports(used, plan.folder, [plan.publisher.name])}


class FeedTests(TestCase):
{databases}    def test_a_row_and_its_event_commit_together(self):
        with transaction.atomic(using={using}):
{indented(create, 12)}
{indented(record_call(plan, row, 12), 12)}
{indented(recorded, 8)}

    def test_the_schemas_are_up_to_date(self):
{indented(check, 8)}
"""
