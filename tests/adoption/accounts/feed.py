"""The feeds of accounts."""

from datetime import date

from django.db.models import DecimalField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Concat

from messaging.publisher import Feed
from tests.adoption.accounts.events import BadgeFacts, UserFacts

USERS = Feed(
    model="auth.User",
    aggregate="accounts.auth_user2",
    facts=UserFacts,
    fields={
        "login": "username",
        "full_name": Concat("first_name", Value(" 100% "), "last_name"),
        "email": "email",
        "staff": "is_staff",
        "active": "is_active",
        "joined": "date_joined",
    },
    tombstone=~Q(is_active=True),
)
BADGES = Feed(
    model="accounts.Badge",
    facts=BadgeFacts,
    key="code",
    fields={"deposit": ExpressionWrapper(F("fee") / 3, output_field=DecimalField(max_digits=10, decimal_places=3))},
    gone={"valid_from": date(1970, 1, 1)},
    keeps_gone=False,
)
