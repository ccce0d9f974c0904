from billing.caches import AccountFacts, apply_accounts
from messaging.consumer import Handler

HANDLERS = {"accounts.user.changed.v1": Handler(reads=AccountFacts, apply=apply_accounts)}
