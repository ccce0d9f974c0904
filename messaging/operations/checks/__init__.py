"""Django system checks of what must be right before the first event is sent. Importing a module registers its checks.

Those with `Tags.database` ask a database, so they run only for the databases that `check --database` or `migrate` name.
"""

from messaging.operations.checks import broker, consumers, contexts, databases, feeds, handlers, outbox, routers, tables

__all__ = ["broker", "consumers", "contexts", "databases", "feeds", "handlers", "outbox", "routers", "tables"]
