"""What the services of `users` refuse, each with a sentence for a person."""


class UserError(Exception):
    """Base of them all; its text may be shown."""


class UnknownUser(UserError):
    """There is no such user."""


class InvalidUser(UserError):
    """A value that a user can't have."""


class TransitionNotAllowed(UserError):
    """The user's status doesn't allow this."""
