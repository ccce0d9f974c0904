"""The model and the database that `track` and `untrack` work on."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.db import connections

from messaging import settings
from messaging.ledger.ledger import TRACKED
from messaging.management.base import WrongUsage
from messaging.publisher.feed import declared_feed
from messaging.settings import Alias


def label_and_database(parser: ArgumentParser) -> None:
    """Add the arguments of `users.user --database users`."""
    parser.add_argument("label", metavar="LABEL", help="the model, as users.user, or the name of its feed, as users")
    parser.add_argument("--database", metavar="ALIAS", help="the database of its table; by default that of its context")


def checked_label(options: Mapping[str, Any]) -> str:
    """Return the label of the model that the arguments name. Reading the feeds' declarations also loads their models."""
    feeds = {name: feed.aggregate for name in settings.feeds() if (feed := declared_feed(name))}
    return str(feeds.get(options["label"], options["label"].lower()))


def checked_database(options: Mapping[str, Any], label: str) -> Alias:
    """Return the database with the model's table. Raises `WrongUsage` if it isn't known."""
    named, contexts = options["database"], settings.contexts()
    if named is not None:
        if named not in connections.settings:
            raise WrongUsage(f"--database {named!r} is not in DATABASES. Use one of: {', '.join(connections.settings)}.")
        return Alias(named, label.partition(".")[0])
    shown = [settings.authority(name) for name in settings.feeds() if (feed := declared_feed(name)) and feed.aggregate == label]
    for context in (*shown, label.partition(".")[0]):
        if context in contexts:
            return contexts[context].alias
    raise WrongUsage(f"{label} belongs to no context of this process. Name the database of its table: --database ALIAS")


def tracked_labels() -> str:
    """The tracked models of this process, for a message."""
    return ", ".join(sorted(TRACKED)) or "none"
