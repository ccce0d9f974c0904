"""The files of the new context: its copy, what fills it, its page in the admin, and its first migration."""

from pathlib import Path

from django.apps import apps

from messaging.management.scaffold.consumer_tests import consumer_tests
from messaging.management.scaffold.facts import column_of
from messaging.management.scaffold.layout import bracketed, imports, indented, quoted
from messaging.management.scaffold.plan import Plan
from messaging.management.scaffold.publisher_files import app_files


def consumer_files(plan: Plan) -> dict[Path, str]:
    """The texts of the new files, by path."""
    folder = plan.folder / plan.name
    files = {
        **app_files(folder, plan.name),
        folder / "models.py": _models(plan),
        folder / "caches.py": _caches(plan),
        folder / "handlers.py": _handlers(plan),
        folder / "tests.py": consumer_tests(plan),
        folder / "migrations" / "__init__.py": "",
        folder / "migrations" / "0001_initial.py": _migration(plan),
    }
    if apps.is_installed("django.contrib.admin"):
        files[folder / "admin.py"] = _admin(plan)
    return files


def _imports(plan: Plan, *used: tuple[str, str]) -> str:
    return imports(used, plan.folder, [plan.name, plan.publisher.name])


def _columns(plan: Plan) -> list[tuple[str, str, list[str]]]:
    """The (name, class, arguments) of each column of the copy. The key is the first."""
    kind, arguments = column_of(plan.key)
    return [
        (plan.key_name, kind, [*arguments, "primary_key=True"]),
        *((fact.name, *fact.column()) for fact in plan.facts),
        ("version", "BigIntegerField", []),
        ("deleted", "BooleanField", ["default=False"]),
    ]


def _models(plan: Plan) -> str:
    columns = "\n".join(bracketed(f"{name} = models.{kind}", values, indent=4) for name, kind, values in _columns(plan))
    return f"""\
from django.db import models


class {plan.cached}(models.Model):
{indented(columns, 4)}

    def __str__(self):
        return f"{plan.noun} {{self.{plan.key_name}}}"
"""


def _migration(plan: Plan) -> str:
    (key, kind, arguments), *others = _columns(plan)
    columns = [(key, kind, [*arguments, "serialize=False"]), *others]
    entries = [[quoted(name), bracketed(f"models.{kind}", values, indent=21)] for name, kind, values in columns]
    fields = "".join(f"{bracketed('', entry, indent=17)},\n" for entry in entries)
    return f"""\
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name={quoted(plan.cached)},
            fields=[
{indented(fields, 16)}            ],
        ),
    ]
"""


def _caches(plan: Plan) -> str:
    used = [
        ("pydantic", "BaseModel"),
        ("messaging.consumer", "Cache"),
        ("messaging.consumer", "upsert_newer"),
        ("messaging.settings", "context"),
        (f"{plan.name}.models", plan.cached),
        *(fact.imported(reader=True) for fact in plan.facts),
    ]
    facts = "\n".join(f"    {fact.name}: {fact.annotation(reader=True)}" for fact in plan.facts)
    erased = f"({quoted(plan.erased[0])}, {_literal(plan.erased[1])})" if plan.erased else ""
    deleted = '("deleted", True)'
    alias = f"using=context({quoted(plan.name)}).alias"
    ends = [f"final={erased}", 'deleted="deleted"'] if erased else []
    upsert = bracketed("return upsert_newer", [plan.cached, "rows", *ends, alias], indent=4)
    arguments = [
        f"model={plan.cached}",
        f"key={quoted(plan.key_name)}",
        f"fields=tuple({plan.facts_class}.model_fields)",
        f"reads={plan.facts_class}",
        f"apply=apply_{plan.snake}_changes",
        f"tombstone={erased or deleted}",
        'deleted="deleted"',
    ]
    cache = bracketed(f"{quoted(plan.publisher.name)}: Cache", arguments, indent=5)
    return f"""\
{_imports(plan, *used)}


class {plan.facts_class}(BaseModel):
{facts}


def apply_{plan.snake}_changes(events, source="event"):
    rows = [
        {{
            {quoted(plan.key_name)}: event.subject,
            "version": event.version,
            "deleted": event.deleted,
            **event.data.model_dump(),
        }}
        for event in events
    ]
{indented(upsert, 4)}


{bracketed("CACHES = ", [cache], brackets="{}")}
"""


def _literal(value: object) -> str:
    return quoted(str(value)) if isinstance(value, str) else repr(value)


def _handlers(plan: Plan) -> str:
    apply = f"apply_{plan.snake}_changes"
    used = [
        (f"{plan.name}.caches", plan.facts_class),
        (f"{plan.name}.caches", apply),
        ("messaging.consumer", "Handler"),
    ]
    entries = [
        bracketed(f"{quoted(wire)}: Handler", [f"reads={plan.facts_class}", f"apply={apply}"], indent=5) for wire in plan.wires
    ]
    return f"{_imports(plan, *used)}\n\n{bracketed('HANDLERS = ', entries, brackets='{}')}\n"


def _admin(plan: Plan) -> str:
    used = [
        ("django.contrib", "admin"),
        ("messaging.admin", "CacheAdmin"),
        (f"{plan.name}.models", plan.cached),
    ]
    shown = [quoted(name) for name in (plan.key_name, *(fact.name for fact in plan.facts), "version", "deleted", "compared_now")]
    return f"""\
{_imports(plan, *used)}


@admin.register({plan.cached})
class {plan.cached}Admin(CacheAdmin):
    context = {quoted(plan.name)}
    authority = {quoted(plan.publisher.name)}
{indented(bracketed("list_display = ", shown, indent=4), 4)}
"""
