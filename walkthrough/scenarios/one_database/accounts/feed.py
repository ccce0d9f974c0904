from accounts.events import AccountFacts
from messaging.publisher import Feed

FEED = Feed(
    model="auth.User",
    aggregate="accounts.user",
    facts=AccountFacts,
    fields={"active": "is_active"},
    ignore=("last_login",),
)
