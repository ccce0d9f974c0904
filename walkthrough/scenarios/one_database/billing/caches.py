from pydantic import BaseModel

from billing.models import Account
from messaging.consumer import Cache, upsert_newer
from messaging.settings import context


class AccountFacts(BaseModel):
    active: bool


def apply_accounts(events, source="event"):
    rows = [{"account_id": event.subject, "version": event.version, **event.data.model_dump()} for event in events]
    return upsert_newer(Account, rows, using=context("billing").alias)


CACHES = {"accounts": Cache(model=Account, key="account_id", fields=("active",), reads=AccountFacts, apply=apply_accounts)}
