"""Opens the source that billing reads users from: `billing.Cutover` names it, `settings.BILLING` has its class.

The choice is read from billing's database at the start of every run and every batch, so running processes follow it.
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
    """Return the chosen source: `before`, the one in use, if the choice is the same. Otherwise `before` is closed.

    Raises `SourceAway` if this process doesn't have the chosen source.
    """
    chosen = selectors.cutover()
    if before is not None and _is(before, chosen):
        return before
    if before is not None:
        before.close()
    return opened(chosen.source, chosen.old)


def opened(name: str, old: str = "") -> Source:
    """Open a source by its name. With the name `shadow`, `old` names the source that answers."""
    if name == Cutover.Source.SHADOW:
        return Shadow(opened(old))
    if not wired(name):
        raise SourceAway(f"Billing reads users from {Cutover.Source(name).label}, but this process runs only {_here()}.")
    made: Any = import_string(settings.BILLING["SOURCES"][name])()
    return cast(Source, made) if name == Cutover.Source.CACHE else Live(name, made)


def wired(name: str) -> bool:
    """Return True if this process has this source."""
    return name in settings.BILLING["SOURCES"]


def _is(source: Source, chosen: Cutover) -> bool:
    return source.name == chosen.source and (not isinstance(source, Shadow) or source.old.name == chosen.old)


def _here() -> str:
    return " and ".join(messaging_settings.contexts())
