"""Chapter 1: draw the line. Modules that don't import each other, ids instead of foreign keys, and rules that reject what crosses."""

from django.apps import apps
from django.db import connections, models

from config import announcing
from messaging.texts import plural
from walkthrough import copying, resetting
from walkthrough.chapter import Advice, Chapter, Kind, Listing, Step, TradeOff, Window
from walkthrough.chapters.shared import LIST_TIES
from walkthrough.record import Ran
from walkthrough.stage import Stage

LINT = ("lint-imports", "--no-logo", "--no-cache")
IMPORT = ("billing/planted.py", "from users.models import User")
KEY = ("billing/models.py", 'class Receipt(models.Model):\n    user = models.ForeignKey("users.User", on_delete=models.CASCADE)')
SQL = ("billing/selectors.py", "def active_emails():\n    return \"SELECT email FROM users_user WHERE status = 'active'\"")


def starts(stage: Stage) -> None:
    resetting.reset()
    copying.fresh_copy()
    stage.say(f"A copy of the project lies in {announcing.shown(copying.KEPT)}. What you plant in this chapter, you plant there.")
    _no_import_crosses(stage)


def knots(stage: Stage) -> None:
    tied = {label: _ties(label) for label in ("monolith.Invoice", "billing.Invoice")}
    stage.rows(
        "What a model's table is tied to, by the database's own word",
        ("model", "column", "leads to"),
        [(label, column, table) for label, ties in tied.items() for column, table in ties.items() or [("none", "nothing")]],
    )
    stage.check(
        "In the monolith the database ties each invoice to a user's row",
        tied["monolith.Invoice"].get("user_id") == "monolith_user",
        plural(len(tied["monolith.Invoice"]), "foreign key"),
    )
    kept = apps.get_model("billing.Invoice")._meta.get_field("user_id")
    stage.check(
        "Billing's table keeps the user's id as a value, tied to nothing",
        isinstance(kept, models.UUIDField) and not tied["billing.Invoice"],
        f"{type(kept).__name__}, {plural(len(tied['billing.Invoice']), 'foreign key')}",
    )


def plant_import(stage: Stage) -> None:
    _plant(stage, *IMPORT)
    ran = stage.command(*LINT, project=copying.KEPT)
    stage.check("import-linter rejects it", ran.code == 1, f"exit code {ran.code}")
    stage.check(
        "It names the rule, the module and the line",
        all(word in ran.output for word in ("do not know each other BROKEN", "billing.planted -> users.models")),
        _line_with(ran, "billing.planted ->"),
    )


def plant_key(stage: Stage) -> None:
    _plant(stage, *KEY)
    ran = stage.manage("check", project=copying.KEPT)
    stage.check("Django's own check rejects the copy", ran.code == 1 and "boundaries.E001" in ran.output, f"exit code {ran.code}")
    stage.check("It names the field", "billing.Receipt.user" in ran.output, _line_with(ran, "billing.Receipt.user"))


def plant_sql(stage: Stage) -> None:
    _plant(stage, *SQL)
    imports = stage.command(*LINT, project=copying.KEPT)
    stage.check(
        "A string is no import, so import-linter says of this one what it said before",
        "billing.selectors" not in imports.output,
        _line_with(imports, "billing.selectors")
        if "billing.selectors" in imports.output
        else _line_with(imports, "billing.planted ->"),
    )
    ran = stage.manage("check", project=copying.KEPT)
    stage.check("Reading the source for table names finds it", "boundaries.E002" in ran.output, _line_with(ran, "E002"))


def take_out(stage: Stage) -> None:
    for path, _ in (IMPORT, KEY, SQL):
        copying.restore(copying.KEPT, path)
    stage.say("All three are taken out of the copy again.")
    _no_import_crosses(stage)
    ran = stage.manage("check", project=copying.KEPT)
    stage.check("Neither does a relation, nor a name in a string", ran.code == 0, ran.last)


def _no_import_crosses(stage: Stage) -> None:
    ran = stage.command(*LINT, project=copying.KEPT)
    stage.check("No import crosses a line", ran.code == 0 and "0 broken" in ran.output, _line_with(ran, "broken"))


def _plant(stage: Stage, path: str, source: str) -> None:
    copying.restore(copying.KEPT, path)  # planted twice it would be two
    copying.plant(copying.KEPT, path, source)
    stage.rows("Planted", ("where", "what"), [(path, source.replace("\n    ", " "))])


def _ties(label: str) -> dict[str, str]:
    """Column to table, for each foreign key of a model's table as the database has it."""
    model = apps.get_model(label)
    connection = connections[model._meta.app_label]
    with connection.cursor() as cursor:
        found = connection.introspection.get_relations(cursor, model._meta.db_table)
    return {column: relation[1] for column, relation in found.items()}


def _line_with(ran: Ran, word: str) -> str:
    return next((line.strip(" -") for line in ran.output.splitlines() if word in line), ran.last)


CHAPTER = Chapter(
    number=1,
    slug="draw-the-line",
    title="Draw the line",
    question="How do we part two things in code before we part their data?",
    situation="""
In [the monolith](0) everybody may reach everything: one `import` away, one `select_related`, one foreign key. Nobody can say what
depends on what, so nobody dares to move anything. Splitting such a database is surgery in the dark.
""",
    change="""
Move no data yet. Give each context a **module of its own**, and let no module import another one's models. Where a foreign key
pointed across, keep the **id as a plain value**: the number stays, the tie goes. Then let the build hold the line, because a rule that
lives in a document lasts until the next deadline. Three tools see three kinds of crossing: import-linter reads imports, a system
check reads relations, and another one reads the strings in the source for other contexts' tables, aliases and models.
""",
    still_wrong="""
The line is in the code, and the rows still share a database: the migration of [chapter 0](0) would stop invoicing as before. What is
computed at run time escapes any reader of source, too; a guard (`config/guard.py`) watches every statement while the tests run.
And billing has an id now where it had a user. Whom does it ask whether that user may be invoiced? [Chapter 2](2) takes the obvious
answer.
""",
    starts=starts,
    steps=(
        Step("knots", "Look at the knots", "Which table is tied to which? The databases are asked, not the models.", knots),
        Step("import", "Plant an import", "In the copy, a module of billing imports the users' model.", plant_import, Kind.BREAK),
        Step("key", "Plant a foreign key", "In the copy, billing gets a model that points to a user.", plant_key, Kind.BREAK),
        Step("sql", "Plant raw SQL", "In the copy, billing names the users' table in a string.", plant_sql, Kind.BREAK),
        Step("take-out", "Take them out", "The copy is the project again, and both tools agree.", take_out, Kind.MEND),
    ),
    listings=(
        Listing("monolith/models.py", "Invoice", "Before: `user` is a foreign key."),
        Listing("billing/models.py", "Invoice", "After: `user_id` is a value."),
        Listing("config/checks.py", says="The rules as Django's own checks: `migrate` and `runserver` refuse as well."),
        Listing("config/boundaries.py", "crossing_relations", "How a relation that crosses is found."),
    ),
    trade_offs=(
        TradeOff("An id instead of a foreign key", "The table can move", "The database no longer says that the id is a user's"),
        TradeOff(
            "No joins across", "Each side can change its tables alone", "Reports need another way: a copy, or a table of their own"
        ),
        TradeOff("Rules in the build", "They hold on a Friday evening too", "An honest exception has to be argued for"),
    ),
    advice=(
        Advice(
            "Foreign keys to `AUTH_USER_MODEL` in forty apps",
            "Begin with one app. `db_constraint=False` and `on_delete=DO_NOTHING` first: the tie goes, `select_related` and the admin "
            "stay. The first alone isn't enough, because Django's own cascade goes on. Dropping the constraint locks both tables for a "
            "moment, so set a `lock_timeout`. Then a plain `user_id` of the same type, `db_column` and `db_index`, whose migration "
            "`SeparateDatabaseAndState` makes a no-op in the database.",
            (LIST_TIES, "manage.py sqlmigrate billing 0007"),
        ),
        Advice(
            "`on_delete=CASCADE` across the line",
            "Say in code what the database did silently: when a user goes, the other context hears of it and decides by itself. "
            "Look first who relies on it.",
            ("grep -rn 'on_delete=models.CASCADE' --include=models.py .",),
        ),
        Advice(
            '`select_related("user")`, admin inlines, `user__email` in filters',
            "Each is a join across the line. List them, and replace each by the one or two values that it is for, kept beside the id.",
            ("grep -rnE 'select_related\\(|user__' --include='*.py' .",),
        ),
        Advice(
            "Too much crosses today to forbid it",
            "Write today's crossings into `ignore_imports` of the contract and let the list only shrink: import-linter fails where an "
            "entry is no longer needed.",
            ("lint-imports", "manage.py check"),
        ),
    ),
    windows=(
        Window("Users with invoices inline, in the monolith", "admin:monolith_user_changelist"),
        Window("Billing's invoices, with an id", "admin:billing_invoice_changelist"),
    ),
)
