"""Does anything in orders cross the line, and does orders work without users?"""

import json
from io import StringIO
from typing import Any

from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connections, models, transaction

from walkthrough.exercises.probing import lacks_unless, mine, new_id, probe

own, services = mine("orders.models"), mine("orders.services")
MONTH = "2026-11"


def crossings() -> list[dict[str, Any]]:
    """What `manage.py crossings orders` finds."""
    out = StringIO()
    call_command("crossings", "orders", json=True, stdout=out)
    return list(json.loads(out.getvalue().splitlines()[-1])["crossings"])


def tables() -> None:
    """Make the tables of the reader's models. The database has no table of users, so a foreign key to it can't be written."""
    with connections["default"].schema_editor() as editor:
        for model in apps.get_app_config("orders").get_models():
            editor.create_model(model)


def known(status: str = "active") -> Any:
    return own.KnownUser.objects.create(user_id=new_id(), status=status).user_id


@probe("`crossings orders` finds nothing")
def nothing_crosses() -> None:
    found = crossings()
    listed = "; ".join(f"{one['path']}, line {one['line']}: {one['what']}" for one in found)
    lacks_unless(not found, f"{len(found)} left: {listed}.")


@probe("An order keeps the user's id as a value")
def value() -> None:
    names = {field.name: field for field in own.Order._meta.get_fields()}
    lacks_unless("user_id" in names, f"Order has the fields {', '.join(names)}, and no `user_id`.")
    lacks_unless(isinstance(names["user_id"], models.UUIDField), "`user_id` should be a UUIDField, like the users' ids.")


@probe("Active users get an order, once")
def placed() -> None:
    tables()
    ids = {known(), known()}
    known("suspended")
    first = services.orders_place(month=MONTH)
    lacks_unless(first == 2, f"orders_place returned {first} for two active users and a suspended one.")
    found = set(own.Order.objects.values_list("user_id", flat=True))
    lacks_unless(found == ids, "The orders aren't those of the two active users.")
    again = services.orders_place(month=MONTH)
    lacks_unless(again == 0, f"A second run placed {again} more orders for the same month.")
    ids.add(known())
    more = services.orders_place(month=MONTH)
    lacks_unless(more == 1, f"A third user is active now, and orders_place placed {more} orders.")


@probe("The database refuses a second order for a month")
def unique() -> None:
    tables()
    user_id = known()
    own.Order.objects.create(user_id=user_id, month=MONTH)
    try:
        with transaction.atomic():
            own.Order.objects.create(user_id=user_id, month=MONTH)
    except IntegrityError:
        return
    lacks_unless(False, "A user got two orders for one month. Keep the UniqueConstraint, on `user_id` and `month`.")


@probe("Orders of users who aren't active any more are found")
def stopped() -> None:
    tables()
    ids = [known(), known(), known()]
    services.orders_place(month=MONTH)
    own.KnownUser.objects.filter(pk=ids[0]).update(status="suspended")
    own.KnownUser.objects.filter(pk=ids[1]).delete()
    found = list(services.orders_to_stop(month=MONTH))
    lacks_unless(ids[0] in found, "orders_to_stop doesn't find a user who was suspended.")
    lacks_unless(ids[2] not in found, "orders_to_stop finds a user who is active.")
    lacks_unless(ids[1] in found, "orders_to_stop doesn't find a user that orders no longer knows.")


@probe("It works while the users' database is away")
def alone() -> None:
    tables()
    known()
    users = connections["users"]
    users.close()
    path, users.settings_dict["NAME"] = users.settings_dict["NAME"], "/dev/null/away.sqlite3"
    try:
        placed = services.orders_place(month=MONTH)
        services.orders_to_stop(month=MONTH)
    finally:
        users.close()
        users.settings_dict["NAME"] = path
    lacks_unless(placed == 1, f"orders_place placed {placed} orders instead of 1.")
