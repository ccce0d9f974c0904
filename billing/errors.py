"""What the services of `billing` refuse, each with a sentence for a person."""


class BillingError(Exception):
    """Base of them all; its text may be shown."""


class UnknownInvoice(BillingError):
    """There is no such invoice."""


class TransitionNotAllowed(BillingError):
    """The invoice's status doesn't allow this."""


class InvalidPeriod(BillingError):
    """Not a month that can be invoiced."""


class SourceAway(BillingError):
    """Where billing reads users from gives no answer, or isn't there in this process."""


class CutoverRefused(BillingError):
    """Billing may not read users from there yet. `lacks`: what is missing, a sentence each, with what to do."""

    def __init__(self, *lacks: str) -> None:
        super().__init__(" ".join(lacks))
        self.lacks = list(lacks)
