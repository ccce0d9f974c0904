"""Where billing reads users from, and how it changes: `billing.Cutover` says which source, `settings.BILLING` where each is.

The choice is read from billing's database at the start of every run and of every batch, so it takes effect in running processes.
"""

from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from billing import selectors
from billing.errors import SourceAway
from billing.models import Cutover
from billing.sources.base import Source
from billing.sources.live import Live
from billing.sources.shadow import Shadow
from messaging import settings as messaging_settings


def current(before: Source | None = None) -> Source:
    """The chosen source. `before`: the one that was in use; it is kept where the choice is still the same, else closed.

    Raises `SourceAway` where this process has no such source.
    """
    chosen = selectors.cutover()
    if before is not None and _is(before, chosen):
        return before
    if before is not None:
        before.close()
    return opened(chosen.source, chosen.old)


def opened(name: str, old: str = "") -> Source:
    """A source by its name; `old` answers where that is `shadow`."""
    if name == Cutover.Source.SHADOW:
        return Shadow(opened(old))
    if not wired(name):
        raise SourceAway(f"Billing reads users from {Cutover.Source(name).label}, and this process runs {_here()} only.")
    made: Any = import_string(settings.BILLING["SOURCES"][name])()
    return cast(Source, made) if name == Cutover.Source.CACHE else Live(name, made)


def wired(name: str) -> bool:
    """Whether this process has such a source."""
    return name in settings.BILLING["SOURCES"]


def _is(source: Source, chosen: Cutover) -> bool:
    return source.name == chosen.source and (not isinstance(source, Shadow) or source.old.name == chosen.old)


def _here() -> str:
    return " and ".join(messaging_settings.contexts())
