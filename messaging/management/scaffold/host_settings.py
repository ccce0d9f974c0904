"""The lines that a host's settings need for a new context, and the file that they belong in."""

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, router

from messaging.database.router import ContextRouter
from messaging.management.base import WrongUsage
from messaging.management.scaffold.layout import bracketed, quoted
from messaging.management.scaffold.plan import Plan

ROUTER = "messaging.database.router.ContextRouter"


def lines(plan: Plan) -> str:
    """The lines for the end of the settings, without what is set already. Raises `WrongUsage` if `CONTEXTS` is no dict."""
    known: Any = settings.MESSAGING["CONTEXTS"]
    if not isinstance(known, dict):
        written = "{" + ", ".join(f'"{name}": {{"database": "{name}"}}' for name in known) + "}"
        raise WrongUsage(f"MESSAGING['CONTEXTS'] is a list of names, which can't get a database. Write it as a dict: {written}")
    publisher = plan.publisher
    apps = [publisher.name] * publisher.is_new + [plan.name]
    databases = {publisher.name: publisher.alias, plan.name: plan.alias}
    contexts = [f'{quoted(name)}: {{"database": {quoted(alias)}}}' for name, alias in databases.items() if name not in known]
    found = [_apps(apps)]
    if contexts:
        found.append(bracketed('MESSAGING["CONTEXTS"] |= ', contexts, brackets="{}"))
    if publisher.feed is None and not publisher.is_conventional:
        feed = quoted(publisher.module("feed.FEED"))
        found.append(f'MESSAGING.setdefault("FEEDS", {{}})[{quoted(publisher.name)}] = {feed}')
    routed = any(isinstance(each, ContextRouter) for each in router.routers)
    if not routed and set(databases.values()) != {DEFAULT_DB_ALIAS}:
        theirs = ", *DATABASE_ROUTERS" * _is_set("DATABASE_ROUTERS")
        found.append(f"DATABASE_ROUTERS = [{quoted(ROUTER)}{theirs}]")
    return "\n".join(found) + "\n"


def _apps(names: Sequence[str]) -> str:
    installed: Any = settings.INSTALLED_APPS
    if isinstance(installed, tuple):
        return f"INSTALLED_APPS += ({', '.join(quoted(name) for name in names)}{',' * (len(names) == 1)})"
    return bracketed("INSTALLED_APPS += ", [quoted(name) for name in names], brackets="[]")


def _is_set(name: str) -> bool:
    """Return True if the host's settings set a name, so that a later line may add to it."""
    return bool(settings.is_overridden(name))  # type: ignore[misc]  # django-stubs don't know it


def file() -> Path:
    """The file of `DJANGO_SETTINGS_MODULE`. Raises `WrongUsage` if lines at its end would have no effect, or can't be written."""
    name = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    paste = "Leave out --write-settings, and add the lines that are printed then yourself."
    if not name:
        raise WrongUsage(f"DJANGO_SETTINGS_MODULE isn't set, so the settings have no file. {paste}")
    module = import_module(name)
    for each in ("INSTALLED_APPS", "MESSAGING"):
        if getattr(module, each, None) != getattr(settings, each):
            raise WrongUsage(f"{name} doesn't set {each} itself, so lines at its end would change nothing. {paste}")
    path = Path(module.__file__ or "")
    if path.suffix != ".py" or not os.access(path, os.W_OK):
        raise WrongUsage(f"The file of {name}, {path}, can't be written. {paste}")
    return path
