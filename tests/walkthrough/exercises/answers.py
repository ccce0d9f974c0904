"""Wrong answers: the solution of an exercise with an error. Together with the file as shipped, they make each claim fail once."""

import shutil
from pathlib import Path

from walkthrough.exercises.book import Exercise

#: Number of the exercise to the changes of its solution: file, old text, new text.
WRONG: dict[int, tuple[tuple[str, str, str], ...]] = {
    2: (
        ("client.py", 'record["data"]["status"] == "active"', 'record["data"]["status"] != "gone"'),
        ("client.py", "except Unreachable:", "except Exception:"),
    ),
    3: (
        (
            "services.py",
            "user.save()\n        record(events.facts(user, events.UserSuspended)",
            "user.save()\n        record(events.facts(user, events.UserReactivated)",
        ),
        (
            "services.py",
            'with transaction.atomic(using="users"):\n        user = ',
            'with transaction.atomic(using="users", durable=True):\n        user = ',
        ),
    ),
    4: (("caches.py", '"status": event.data.status,', '"status": "active",'),),
    5: (
        ("feed.py", "    seats: int", "    seats: int\n    contact_email: str"),
        ("feed.py", '{"seats": F("seats_paid") + F("seats_free")}', '{"seats": F("seats_free"), "contact_email": "contact_email"}'),
        ("feed.py", 'ignore=("last_seen",)', 'ignore=("last_seen", "seats_paid")'),
        ("caches.py", "    seats: int", '    seats: int\n    contact_email: str = ""'),
    ),
    6: (
        ("cutover.py", 'transaction.atomic(using="billing")', "nullcontext()"),
        ("cutover.py", "import uuid", "import uuid\nfrom contextlib import nullcontext"),
        ("cutover.py", "except DatabaseError", "except ZeroDivisionError"),
        ("cutover.py", "if agreed < reads", "if agreed <= reads"),
    ),
    7: (("silent.py", "aggregate=FEED.aggregate, version__gt=", "version__gte="),),
    8: (
        ("recover.py", 'with transaction.atomic(using="billing"):\n            apply(page.results)\n', "if True:\n"),
        ("recover.py", "checkpoint.save()\n", "checkpoint.save()\n            apply(page.results)\n"),
        (
            "recover.py",
            'upsert_newer(CachedUser, rows, using="billing")',
            "[CachedUser.objects.update_or_create(pk=row.pop('user_id'), defaults=row) for row in rows]",
        ),
    ),
    9: (("invoices.py", "run.reason = run.reason or doubt", 'run.reason = run.reason or doubt or "old"'),),
    10: (("caches.py", '"suspended" if event.data.blocked else "active"', '"active" if event.data.blocked else "suspended"'),),
}


def wrong(exercise: Exercise, folder: Path) -> Path:
    """Write the wrong answer to a folder. Raises `LookupError` if the solution doesn't have the old text."""
    shutil.copytree(exercise.solution, folder)
    for name, old, new in WRONG[exercise.number]:
        text = (folder / name).read_text(encoding="utf-8")
        if old not in text:
            raise LookupError(f"{exercise.name}/solution/{name} doesn't contain {old!r}.")
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")
    return folder
