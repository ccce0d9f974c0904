"""Does the feed show the right facts and changes, and does billing's copy follow it?"""

from datetime import timedelta
from typing import Any

from django.db import connections
from django.utils import timezone

from messaging.models import Ledger
from messaging.replica import AuthorityClient, Replica, compare
from messaging.testing import deliver
from walkthrough.exercises.probing import lacks_unless, manage, mine, probe
from walkthrough.exercises.shop.billing.models import CachedTeam
from walkthrough.exercises.shop.users.models import Team

caches = mine("caches")


def ready(**values: Any) -> Team:
    """Install the triggers that this feed needs, register billing, and make a team of 3 paid seats and 2 free ones."""
    manage("migrate", "--database", "users")
    manage("consumers", "register", "billing", "--to", "users")
    return Team.objects.create(name="Ada's", contact_email="ada@example.org", seats_paid=3, seats_free=2, **values)


def shown() -> list[dict[str, Any]]:
    """The rows of the feed's first page."""
    client = AuthorityClient("users", "billing", kind="integer")
    try:
        return client.changes(0).results
    finally:
        client.close()


def version(team: Team) -> int:
    return Ledger.objects.using("users").get(aggregate="users.team", aggregate_id=str(team.pk)).version


def bootstrapped() -> dict[int, int]:
    """Fill billing's copy; returns the seats by team."""
    lacks_unless("users" in caches.CACHES, "CACHES has no copy under the name `users`, whose feed it reads.")
    manage("bootstrap", "billing", "--from", "users")
    return dict(CachedTeam.objects.values_list("pk", "seats"))


@probe("The feed shows each team's name and the sum of its seats")
def page() -> None:
    ready()
    (row,) = shown()
    lacks_unless(row["data"].get("name") == "Ada's", f"The feed shows {row['data']}.")
    lacks_unless(
        row["data"].get("seats") == 5, f"A team has 3 paid seats and 2 free ones. The feed says {row['data'].get('seats')}."
    )


@probe("The contact's e-mail address isn't in it")
def private() -> None:
    ready()
    found = [name for row in shown() for name in row["data"] if name not in ("name", "seats")]
    lacks_unless(not found, f"The feed shows {', '.join(found)}, too. Nobody asked for that.")


@probe("A change of the free seats is a change")
def free() -> None:
    team = ready()
    before = version(team)
    Team.objects.filter(pk=team.pk).update(seats_free=4)
    lacks_unless(version(team) > before, "More free seats gave no new version, so no copy would notice.")
    lacks_unless(shown()[0]["data"]["seats"] == 7, f"With 3 + 4 seats the feed says {shown()[0]['data']['seats']}.")


@probe("A change of `last_seen` alone is none")
def ignored() -> None:
    team = ready()
    before = version(team)
    team.last_seen = timezone.now() + timedelta(minutes=1)
    team.save()
    Team.objects.filter(pk=team.pk).update(last_seen=timezone.now())
    lacks_unless(version(team) == before, f"After two clicks the version is {version(team)} instead of {before}.")


@probe("A change by SQL is seen, too")
def sql() -> None:
    team = ready()
    before = version(team)
    with connections["users"].cursor() as cursor:
        cursor.execute("UPDATE users_team SET seats_paid = 9, last_seen = '2026-11-29 12:00:00'")
    lacks_unless(version(team) > before, "An UPDATE of seats_paid and last_seen gave no new version. Ignore only `last_seen`.")


@probe("A bootstrap fills billing's copy")
def bootstrap() -> None:
    team = ready()
    found = bootstrapped()
    lacks_unless(found == {team.pk: 5}, f"After the bootstrap the copy has the seats {found}. The team has 5.")


@probe("An event that `republish` records reaches the copy")
def event() -> None:
    team = ready()
    manage("republish", "users")
    deliver()
    found = dict(CachedTeam.objects.values_list("pk", "seats"))
    lacks_unless(found == {team.pk: 5}, f"After the event the copy has the seats {found}. The team has 5.")


@probe("The copy catches up, and a comparison proves it")
def catches_up() -> None:
    team = ready()
    bootstrapped()
    Team.objects.filter(pk=team.pk).update(seats_free=4)
    manage("catch_up", "billing", "--from", "users")
    row = CachedTeam.objects.get(pk=team.pk)
    lacks_unless(row.seats == 7, f"After `catch_up` the copy says {row.seats} seats. The team has 7.")
    found = compare.compare(Replica.of("billing", "users"))
    lacks_unless(found.verdict == "in_sync", f"The comparison says {found.verdict}: {found.counts}.")


@probe("A comparison finds wrong seats, and repairs them")
def repair() -> None:
    team = ready()
    bootstrapped()
    CachedTeam.objects.update(seats=1)
    found = compare.compare(Replica.of("billing", "users")).differing
    lacks_unless(
        found == 1, "The copy says 1 seat instead of 5, and the comparison calls it equal. Name `seats` in `Cache.fields`."
    )
    manage("reconcile", "billing", "--from", "users", "--repair")
    row = CachedTeam.objects.get(pk=team.pk)
    lacks_unless(row.seats == 5, f"After the repair the copy says {row.seats} seats.")
