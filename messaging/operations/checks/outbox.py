"""A host's own use of django-outbox-pattern, whose tables hold our rows too."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections, router
from django_outbox_pattern import settings as outbox_pattern_settings
from django_outbox_pattern.models import Published

from messaging import settings
from messaging.database import engines
from messaging.events.text import plural
from messaging.operations.checks import declared
from messaging.publisher import outbox

#: A hundred years. django-outbox-pattern's clean-up can't be switched off, and Python's dates end after some thousand years.
DAYS_FOR_EVER = 36_500


@register("messaging")
def outbox_rows_are_kept(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W005: django-outbox-pattern is set up for the host's own use, and its clean-up would delete our rows too."""
    return _cleaned_up(declared.contexts()) if hasattr(django_settings, "DJANGO_OUTBOX_PATTERN") else []


@register(Tags.database)
def outbox_rows_are_kept_beside_a_hosts(
    app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any
) -> Sequence[CheckMessage]:
    """messaging.W005: the host has rows of its own in the outbox, with the package's default settings."""
    if hasattr(django_settings, "DJANGO_OUTBOX_PATTERN"):
        return []  # the check above reports it
    shared = [
        name
        for name, context in declared.contexts(databases or ()).items()
        if engines.for_alias(context.alias).table_exists(connections[context.alias], Published._meta.db_table)
        and outbox.foreign(context.alias).exists()
    ]
    return _cleaned_up(shared)


def _cleaned_up(contexts: Iterable[str]) -> Sequence[CheckMessage]:
    """Warn of each of these contexts whose rows the package would delete."""
    days = outbox_pattern_settings.DAYS_TO_KEEP_DATA
    try:
        cleaned = router.db_for_write(Published) if days < DAYS_FOR_EVER else None
    except LookupError:
        return []  # a router that doesn't guess refuses the package's queries, which name no database
    hint = (
        f'Set DJANGO_OUTBOX_PATTERN["DAYS_TO_KEEP_DATA"] to {DAYS_FOR_EVER}, and delete your own old rows by their destination. '
        "`manage.py purge` deletes a context's rows once every consumer has passed them."
    )
    return [
        Warning(
            f"django-outbox-pattern deletes outbox and inbox rows of {name} after {plural(days, 'day')}, unsent events too.",
            hint=hint,
            id="messaging.W005",
        )
        for name in contexts
        if settings.context(name).alias == cleaned
    ]
