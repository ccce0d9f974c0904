"""The errors of the services of `users`. Each has a message for a person."""


class UserError(Exception):
    """The base class of these errors. Its text may be shown to a person."""


class UnknownUser(UserError):
    """No user has this id."""


class InvalidUser(UserError):
    """A value that a user can't have."""


class TransitionNotAllowed(UserError):
    """The user's status doesn't allow this change."""
