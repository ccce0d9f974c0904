"""All changes to users. Each writes the row and records its event in one transaction on this context's own database."""

import uuid
from collections.abc import Callable, Sequence

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from messaging.events import safe
from messaging.publisher import Record, erase_personal_data, record, record_many
from messaging.settings import context
from users import clock, events
from users.errors import InvalidUser, TransitionNotAllowed, UnknownUser
from users.models import User

DATABASE = context("users").alias
Status = User.Status
#: A failpoint: an event isn't recorded if one of these functions returns True. This is the walkthrough's publisher bug.
withholding: list[Callable[[User, events.UserFacts], bool]] = []


def user_register(*, email: str, name: str) -> User:
    """Register a user. Raises `InvalidUser` if the name or the address is invalid, or if another user has the address."""
    email, name = _clean_email(email), _clean_text(name)
    if not name or len(name) > 200:
        raise InvalidUser("A user needs a name of at most 200 characters.")
    with transaction.atomic(using=DATABASE):
        _must_be_free(email)
        user = User.objects.using(DATABASE).create(email=email, name=name)
        _announce(user, events.UserCreated)
    return user


def user_suspend(*, user_id: uuid.UUID, reason: str) -> User:
    """Suspend an active user. Raises `UnknownUser`, `InvalidUser` (bad reason) or `TransitionNotAllowed` (not active)."""
    reason = _clean_text(reason)
    if not reason or len(reason) > 200:
        raise InvalidUser("A suspension needs a reason of at most 200 characters.")
    with transaction.atomic(using=DATABASE):
        user = _locked(user_id)
        if user.status != Status.ACTIVE:
            raise TransitionNotAllowed(
                f"Only an active user can be suspended; this one is {user.status}.",
            )
        user.suspension_reason = reason
        _set_status(user, Status.SUSPENDED)
        _announce(user, events.UserSuspended)
    return user


def user_reactivate(*, user_id: uuid.UUID) -> User:
    """Reactivate a suspended user. Raises `UnknownUser` or `TransitionNotAllowed` (not suspended)."""
    with transaction.atomic(using=DATABASE):
        user = _locked(user_id)
        if user.status != Status.SUSPENDED:
            raise TransitionNotAllowed(f"Only a suspended user can be reactivated; this one is {user.status}.")
        user.suspension_reason = ""
        _set_status(user, Status.ACTIVE)
        _announce(user, events.UserReactivated)
    return user


def user_change_email(*, user_id: uuid.UUID, email: str) -> User:
    """Change a user's address. Raises `UnknownUser`, `InvalidUser` (bad or taken address) or `TransitionNotAllowed` (erased)."""
    email = _clean_email(email)
    with transaction.atomic(using=DATABASE):
        user = _locked(user_id)
        if user.status == Status.ERASED:
            raise TransitionNotAllowed("An erased user has no e-mail address to change.")
        if user.email == email:
            return user
        _must_be_free(email, but_for=user)
        user.email = email
        user.save(using=DATABASE)
        _announce(user, events.UserEmailChanged)
    return user


def user_erase(*, user_id: uuid.UUID) -> User:
    """Erase a user's personal data for good, also in recorded events. The id stays as a tombstone. Raises `UnknownUser`."""
    with transaction.atomic(using=DATABASE):
        user = _locked(user_id)
        if user.status == Status.ERASED:
            return user
        user.email = user.name = user.suspension_reason = ""
        _set_status(user, Status.ERASED)
        erase_personal_data(aggregate=events.UserErased.aggregate(), subject=user.pk, fields=events.PERSONAL, using=DATABASE)
        _announce(user, events.UserErased)
    return user


def users_announce_created(users: Sequence[User]) -> None:
    """Record a `UserCreated` for each of these new users, in the caller's transaction. Seeding with events uses it."""
    record_many([Record(_event(user, events.UserCreated), user.pk) for user in users], using=DATABASE)


def _locked(user_id: uuid.UUID) -> User:
    try:
        return User.objects.using(DATABASE).select_for_update().get(pk=user_id)
    except (User.DoesNotExist, ValidationError):
        raise UnknownUser(f"There is no user {user_id}.") from None


def _set_status(user: User, status: User.Status) -> None:
    user.status, user.status_since = status, clock.now()
    user.save(using=DATABASE)


def _announce(user: User, kind: type[events.UserFacts]) -> None:
    event = _event(user, kind)
    if any(withholds(user, event) for withholds in withholding):
        return
    record(event, subject=user.pk, using=DATABASE)


def _event(user: User, kind: type[events.UserFacts]) -> events.UserFacts:
    return kind(
        status=user.status,  # type: ignore[arg-type]
        status_since=user.status_since,
        suspension_reason=user.suspension_reason,
        email=user.email,
        name=user.name,
        created_at=user.created_at,
    )


def _clean_text(text: str) -> str:
    if safe(text) != text:
        raise InvalidUser("The text has a NUL character or a lone surrogate, which a database can't store. Remove it.")
    return " ".join(text.split())


def _clean_email(email: str) -> str:
    """Check the address and lower its case, because addresses that differ only by case belong to one person."""
    email = _clean_text(email).lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidUser("This is not a valid e-mail address.") from None
    if len(email) > 254:
        raise InvalidUser("An e-mail address has at most 254 characters.")
    return email


def _must_be_free(email: str, but_for: User | None = None) -> None:
    same = User.objects.using(DATABASE).filter(email=email)
    if (same.exclude(pk=but_for.pk) if but_for else same).exists():
        raise InvalidUser("Another user has this e-mail address.")
