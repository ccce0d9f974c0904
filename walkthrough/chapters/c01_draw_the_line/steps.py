"""Chapter 1: draw the line. Modules, ids instead of foreign keys, and rules that reject a crossing."""

from django.apps import apps
from django.db import connections, models

from config.runner import readiness
from messaging.events.text import plural
from walkthrough.control import project_copy, reset
from walkthrough.script.chapter import Act, Kind
from walkthrough.script.stage import Stage

LINT = ("lint-imports", "--no-logo", "--no-cache")
IMPORT = ("billing/planted.py", "from users.models import User")
KEY = ("billing/models.py", 'class Receipt(models.Model):\n    user = models.ForeignKey("users.User", on_delete=models.CASCADE)')
SQL = ("billing/selectors.py", "def active_emails():\n    return \"SELECT email FROM users_user WHERE status = 'active'\"")


def starts(stage: Stage) -> None:
    reset.reset()
    project_copy.fresh_copy()
    stage.say(f"This chapter adds its violations, one at a time, to a copy of the project, {readiness.shown(project_copy.KEPT)}.")
    _no_import_crosses(stage)


def knots(stage: Stage) -> None:
    tied = {label: _ties(label) for label in ("monolith.Invoice", "billing.Invoice")}
    stage.rows(
        "Foreign keys, as the databases report them",
        ("model", "column", "references"),
        [(label, column, table) for label, ties in tied.items() for column, table in ties.items() or [("none", "nothing")]],
    )
    stage.check(
        "In the monolith each invoice references a user's row",
        tied["monolith.Invoice"].get("user_id") == "monolith_user",
        plural(len(tied["monolith.Invoice"]), "foreign key"),
    )
    kept = apps.get_model("billing.Invoice")._meta.get_field("user_id")
    stage.check(
        "Billing's table keeps the user's id as a plain value",
        isinstance(kept, models.UUIDField) and not tied["billing.Invoice"],
        f"{type(kept).__name__}, {plural(len(tied['billing.Invoice']), 'foreign key')}",
    )


def plant_import(stage: Stage) -> None:
    _plant(stage, *IMPORT)
    ran = stage.command(*LINT, project=project_copy.KEPT)
    stage.check("import-linter rejects it", ran.code == 1)
    stage.outcome(yes=ran.code != 0, no=ran.code == 0)
    stage.check(
        "It names the rule, the module and the line number",
        all(word in ran.output for word in ("do not know each other BROKEN", "billing.planted -> users.models")),
    )


def plant_key(stage: Stage) -> None:
    _plant(stage, *KEY)
    imports = stage.command(*LINT, project=project_copy.KEPT)
    stage.fault("import-linter doesn't see a key that imports nothing", imports.code == 0)
    ran = stage.manage("check", project=project_copy.KEPT)
    stage.check("Django's system check rejects it", ran.code == 1 and "boundaries.E001" in ran.output)
    stage.check("It names the field", "billing.Receipt.user" in ran.output)
    _outcome(stage, linter=imports.code != 0, check=ran.code != 0)


def plant_sql(stage: Stage) -> None:
    _plant(stage, *SQL)
    imports = stage.command(*LINT, project=project_copy.KEPT)
    stage.fault("import-linter doesn't see a string", imports.code == 0)
    ran = stage.manage("check", project=project_copy.KEPT)
    stage.check("The check that reads strings finds it", "boundaries.E002" in ran.output)
    _outcome(stage, linter=imports.code != 0, check=ran.code != 0)


def take_out(stage: Stage) -> None:
    _restore()
    _no_import_crosses(stage)
    ran = stage.manage("check", project=project_copy.KEPT)
    stage.check("No relation and no string crosses the line either", ran.code == 0)


def _outcome(stage: Stage, linter: bool, check: bool) -> None:
    """Which of the two tools rejected the violation."""
    stage.outcome(linter=linter and not check, check=check and not linter, both=linter and check, none=not linter and not check)


def _no_import_crosses(stage: Stage) -> None:
    ran = stage.command(*LINT, project=project_copy.KEPT)
    stage.check("No import crosses the line", ran.code == 0 and "0 broken" in ran.output)


def _plant(stage: Stage, path: str, source: str) -> None:
    _restore()
    project_copy.plant(project_copy.KEPT, path, source)
    stage.rows("Added", ("file", "code"), [(path, source.replace("\n    ", " "))])


def _restore() -> None:
    for path, _ in (IMPORT, KEY, SQL):
        project_copy.restore(project_copy.KEPT, path)


def _ties(label: str) -> dict[str, str]:
    """Column to table, for each foreign key that the database has on a model's table."""
    model = apps.get_model(label)
    connection = connections[model._meta.app_label]
    with connection.cursor() as cursor:
        found = connection.introspection.get_relations(cursor, model._meta.db_table)
    return {column: relation[1] for column, relation in found.items()}


STEPS = {
    "knots": Act(knots),
    "import": Act(plant_import, Kind.BREAK),
    "key": Act(plant_key, Kind.BREAK),
    "sql": Act(plant_sql, Kind.BREAK),
    "take-out": Act(take_out, Kind.MEND),
}
