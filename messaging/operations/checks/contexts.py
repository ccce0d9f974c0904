"""The names of contexts and feeds, and the other entries of `MESSAGING`."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error, Warning, register

from messaging import settings
from messaging.events.contract import NAME

RULE = "A name begins with a lower-case letter, and has only lower-case letters, digits and underscores."


@register("messaging")
def names_are_unique(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E008: a context has a name that can't be in an event's type, or two have one name."""
    return [Error(why, hint=hint, id="messaging.E008") for why, hint in _wrong_names()]


def _wrong_names() -> Iterator[tuple[str, str]]:
    """Yield (what is wrong, how to correct it)."""
    given: Mapping[str, Any] = django_settings.MESSAGING
    declared = list(given["CONTEXTS"])  # `settings.contexts` has lost what is there twice
    for name, times in Counter(declared).items():
        if not re.fullmatch(NAME, name):
            yield f"The context {name!r} has a name that no event type can begin with.", f"Rename it. {RULE}"
        if times > 1:
            yield f'MESSAGING["CONTEXTS"] names {name} {times} times.', "Name each context once."
    for feed in settings.feeds():
        context = settings.authority(feed)
        if feed != context and feed in settings.contexts():
            yield (
                f"A feed of {context} has the name of the context {feed}.",
                f'Give it another name in MESSAGING["FEEDS"], as "{context}_{feed}".',
            )


@register("messaging")
def contexts_are_apps(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W010: a context isn't the label of an installed app, so its tables, handlers and feed aren't found by its name."""
    labels = {config.label for config in apps.get_app_configs()}
    return [
        Warning(
            f"The context {name} isn't an installed app.",
            hint=f'Write INSTALLED_APPS += ["{name}"], or correct the name in MESSAGING["CONTEXTS"].',
            id="messaging.W010",
        )
        for name in settings.contexts()
        if name not in labels
    ]


@register("messaging")
def entries_are_known(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W016: `MESSAGING`, or a context in it, has an entry that nothing reads."""
    given: dict[str, Any] = django_settings.MESSAGING
    places: list[tuple[str, Mapping[str, Any], Sequence[str]]] = [("MESSAGING", given, settings.ENTRIES)]
    if isinstance(given["CONTEXTS"], Mapping):
        places += [(f'MESSAGING["CONTEXTS"]["{name}"]', entry, ("database",)) for name, entry in given["CONTEXTS"].items()]
    return [
        Warning(
            f"{place} has the entry {name!r}, which nothing reads.",
            hint=f'Write "{near[0]}".'
            if (near := get_close_matches(name, known, 1))
            else f"Remove it. There are: {', '.join(known)}.",
            id="messaging.W016",
        )
        for place, entries, known in places
        for name in entries
        if name not in known
    ]


@register("messaging")
def times_have_zones(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E010: without time zones, Django's databases refuse the times of events and checkpoints."""
    if django_settings.USE_TZ:
        return []
    why = "USE_TZ is False, and the times of events, checkpoints and grants have a time zone."
    return [
        Error(
            why,
            hint="Set USE_TZ = True. Its own page says what to change: "
            "https://docs.djangoproject.com/en/stable/topics/i18n/timezones/#migration-guide",
            id="messaging.E010",
        )
    ]
