"""What the services of `billing` refuse, each with a sentence for a person."""


class BillingError(Exception):
    """Base of them all; its text may be shown."""


class UnknownInvoice(BillingError):
    """There is no such invoice."""


class TransitionNotAllowed(BillingError):
    """The invoice's status doesn't allow this."""


class InvalidPeriod(BillingError):
    """Not a month that can be invoiced."""
