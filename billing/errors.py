"""The errors of the services of `billing`. Each has a message for a person."""


class BillingError(Exception):
    """The base class of these errors. Its text may be shown to a person."""


class UnknownInvoice(BillingError):
    """No invoice has this id."""


class TransitionNotAllowed(BillingError):
    """The invoice's status doesn't allow this change."""


class InvalidPeriod(BillingError):
    """The text isn't a month."""


class SourceAway(BillingError):
    """The source that billing reads users from doesn't answer, or this process doesn't have it."""


class CutoverRefused(BillingError):
    """Billing may not read users from this source yet. `lacks` has a sentence for each thing missing, with the next command."""

    def __init__(self, *lacks: str) -> None:
        super().__init__(" ".join(lacks))
        self.lacks = list(lacks)
