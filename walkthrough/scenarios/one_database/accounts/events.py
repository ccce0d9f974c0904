from messaging.publisher import DomainEvent


class AccountFacts(DomainEvent):
    active: bool


class AccountChanged(AccountFacts, wire="accounts.user.changed.v1"):
    """An account is new, or has changed."""
