"""The tests of the new context: what an event does to its copy, and that it can read what is published."""

from messaging.management.scaffold.facts import key_value
from messaging.management.scaffold.layout import bracketed, imports, indented, quoted
from messaging.management.scaffold.plan import Plan


def consumer_tests(plan: Plan) -> str:
    """The text of `tests.py`. It imports nothing of the publisher."""
    used = [
        ("django.test", "TestCase"),
        ("messaging.testing", "deliver_event"),
        (f"{plan.name}.models", plan.cached),
    ]
    contracts = plan.publisher.folder / "contracts"
    agreed = plan.publisher.feed is None or all((contracts / f"{wire}.json").exists() for wire in plan.wires)
    contract_test = ""
    if agreed and contracts.is_relative_to(plan.folder):
        used += [("pathlib", "Path"), ("messaging.testing", "assert_contract")]
        parts = [quoted(part) for part in contracts.relative_to(plan.folder).parts]
        path = bracketed("folder = Path(__file__).parents[1].joinpath", parts, indent=8)
        check = bracketed("assert_contract", [quoted(plan.name), quoted(plan.publisher.name), "folder"], indent=8)
        contract_test = f"""
    def test_it_reads_what_is_published(self):
{indented(path, 8)}
{indented(check, 8)}
"""
    values = [f"{quoted(fact.name)}: {fact.value}" for fact in plan.facts]
    databases = f"    databases = {{{quoted(plan.alias)}}}\n\n" if plan.alias != "default" else ""
    key, rows = key_value(plan.key), f"{plan.cached}.objects"

    def deliver(before: str, version: int, *more: str) -> str:
        arguments = [quoted(plan.name), "CHANGED", "DATA", "subject=KEY", f"version={version}", *more]
        return indented(bracketed(f"{before}deliver_event", arguments, indent=8), 8)

    found = bracketed(f"copied = {rows}.filter", ["pk=KEY", "version=1", "**DATA"], indent=8)
    late = bracketed("self.assertEqual", ["late.outcome", '"obsolete"'], indent=8)
    kept = bracketed("self.assertEqual", [f"{rows}.get(pk=KEY).version", "2"], indent=8)
    gone = bracketed("self.assertTrue", [f"{rows}.get(pk=KEY).deleted"], indent=8)
    return f"""\
{imports(used, plan.folder, [plan.name])}

CHANGED = {quoted(plan.wires[0])}
KEY = {key}
{bracketed("DATA = ", values, brackets="{}")}


class CopyTests(TestCase):
{databases}    def test_a_change_reaches_the_copy(self):
{deliver("", 1)}
{indented(found, 8)}
        self.assertTrue(copied.exists())

    def test_a_late_event_changes_nothing(self):
{deliver("", 2)}
{deliver("late = ", 1)}
{indented(late, 8)}
{indented(kept, 8)}

    def test_a_deletion_is_known(self):
{deliver("", 1, "deleted=True")}
{indented(gone, 8)}
{contract_test}"""
