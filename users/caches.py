"""The copy of the monolith's users, as long as the monolith owns them. `CACHES` at the end is the wiring."""

from typing import Literal

from pydantic import BaseModel

from messaging.ownership import Follower
from messaging.publisher import Moment
from messaging.settings import context
from users.models import User

DATABASE = context("users").alias


class MonolithUser(BaseModel):
    """The fields of a user that move."""

    email: str
    name: str
    status: Literal["active", "suspended", "erased"]
    status_since: Moment
    suspension_reason: str
    created_at: Moment


USERS = Follower(
    using=DATABASE,
    model=User,
    fields=tuple(MonolithUser.model_fields),
    unique=("email",),
    make_room=lambda key: {"email": ""},
    more=lambda event: {"updated_at": event.time},
    final=("status", "erased"),
)

CACHES = {"monolith": USERS.cache(MonolithUser)}
