"""Do shadow reads compare without harm, and does the gate hold for each reason?"""

import uuid

from django.db import transaction

from walkthrough.exercises.probing import lacks_unless, manage, mine, new_id, probe, refusing, register_and_bootstrap
from walkthrough.exercises.shop.billing.models import CachedUser, ShadowRead
from walkthrough.exercises.shop.users.models import User
from walkthrough.exercises.shop.users.services import user_register

cutover = mine("cutover")


def old(user_id: uuid.UUID) -> str | None:
    """The old source: the rows of users themselves."""
    return User.objects.filter(pk=user_id).values_list("status", flat=True).first()


def ready() -> uuid.UUID:
    """A user, and a live copy of them."""
    user = user_register(email="ada@example.org")
    register_and_bootstrap()
    return user.pk


def read(user_id: uuid.UUID) -> str | None:
    found: str | None = cutover.Shadow(old).status(user_id)
    return found


def last() -> ShadowRead:
    row = ShadowRead.objects.order_by("-pk").first()
    lacks_unless(row, "`Shadow.status` keeps no ShadowRead.")
    assert row  # noqa: S101  (for the types)
    return row


def lacking(reads: int = 1) -> list[str]:
    return list(cutover.gate(reads=reads))


@probe("The old source answers, and an equal copy agrees")
def agrees() -> None:
    user_id = ready()
    found = read(user_id)
    lacks_unless(found == "active", f"The old source says active, and `Shadow.status` returned {found}.")
    row = last()
    seen = f"({row.old_status or 'nothing'} / {row.copy_status or 'nothing'})"
    lacks_unless(row.agreed and row.user_id == user_id, f"Both sides say active, and the ShadowRead doesn't agree {seen}.")


@probe("A wrong copy is noticed, and the old answer counts")
def differs() -> None:
    user_id = ready()
    CachedUser.objects.update(status="suspended")
    found = read(user_id)
    lacks_unless(found == "active", f"The copy says suspended, and `Shadow.status` returned {found}. The old source decides.")
    row = last()
    kept = (row.old_status, row.copy_status, row.agreed)
    lacks_unless(kept == ("active", "suspended", False), f"The ShadowRead has {kept}, not ('active', 'suspended', False).")


@probe("A user missing in the copy differs; one that nobody knows agrees")
def unknown() -> None:
    user_id = ready()
    CachedUser.objects.all().delete()
    read(user_id)
    lacks_unless(not last().agreed, "The copy doesn't know a user of the old source, and the ShadowRead agrees.")
    found = read(new_id())
    lacks_unless(found is None, f"Nobody knows this user, and `Shadow.status` returned {found}.")
    lacks_unless(last().agreed, "Neither side knows a user, and the ShadowRead doesn't agree.")


@probe("A failed comparison harms nobody")
def harmless() -> None:
    user_id = ready()
    found = None
    with refusing("billing_shadowread", "billing"):
        found = read(user_id)
    lacks_unless(found == "active", "The ShadowRead couldn't be written, and the caller got an error instead of the old answer.")


@probe("A failed comparison doesn't break the caller's transaction")
def transaction_lives() -> None:
    user_id = ready()
    with transaction.atomic(using="billing"):
        with refusing("billing_shadowread", "billing"):
            read(user_id)
        CachedUser.objects.filter(pk=user_id).update(plan="pro")
    row = CachedUser.objects.get(pk=user_id)
    lacks_unless(row.plan == "pro", "What the caller wrote after the failed comparison is lost.")


@probe("The gate opens when nothing lacks")
def opens() -> None:
    user_id = ready()
    read(user_id)
    found = lacking()
    lacks_unless(not found, f"The copy is live and equal, and one of one read agreed. The gate says: {' '.join(found)}")


@probe("It holds while the copy isn't live")
def not_live() -> None:
    ShadowRead.objects.create(user_id=new_id(), agreed=True)
    manage("consumers", "register", "billing", "--to", "users")
    lacks_unless(lacking(), "The copy was never filled, and the gate lets billing pass.")


@probe("It holds while the copy differs")
def drift() -> None:
    user_id = ready()
    read(user_id)
    CachedUser.objects.update(status="suspended")
    lacks_unless(lacking(), "A row of the copy is wrong, and the gate lets billing pass. Compare it with its authority.")


@probe("It holds until enough reads agreed")
def too_few() -> None:
    user_id = ready()
    read(user_id)
    lacks_unless(lacking(2), "One read agreed, two are wanted, and the gate lets billing pass.")
    read(user_id)
    lacks_unless(not lacking(2), f"Two of two reads agreed. The gate says: {' '.join(lacking(2))}")


@probe("It holds after a read that differed")
def differed() -> None:
    user_id = ready()
    read(user_id)
    ShadowRead.objects.create(user_id=user_id, old_status="active", copy_status="suspended", agreed=False)
    found = lacking()
    lacks_unless(found, "A shadow read differed, and the gate lets billing pass.")
    lacks_unless(len(found) == 1, f"Only one thing lacks, and the gate names {len(found)}: {' '.join(found)}")
