"""`Replica`: one consumer's copy of one authority, with its record, its client, and what makes it live. `bootstrap`, `catch_up`,
`compare` and the others take one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from messaging import settings
from messaging.consumer.cache import Cache, declared_cache, declared_caches
from messaging.errors import NoCache
from messaging.models import Subscription
from messaging.replica.client import ANSWER_SECONDS, AuthorityClient
from messaging.settings import Alias, Context


@dataclass
class Replica:
    """One consumer's copy of one authority."""

    #: The consumer.
    context: Context
    #: The name of the feed that is copied.
    authority: str
    #: Where the copy's rows are kept.
    cache: Cache
    _client: AuthorityClient | None = field(default=None, repr=False)

    @classmethod
    def of(cls, consumer: str, authority: str, *, client: AuthorityClient | None = None) -> "Replica":
        """Return a consumer's copy of an authority. Raises `NoCache` if it keeps none. The caller closes a `client` it passes."""
        cache = declared_cache(consumer, authority)
        if cache is None:
            raise NoCache(f"{consumer} keeps no copy of {authority}. Its copies: {', '.join(declared_caches(consumer)) or 'none'}.")
        return cls(settings.context(consumer), authority, cache, client)

    def __str__(self) -> str:
        return f"{self.consumer} --from {self.authority}"

    @property
    def consumer(self) -> str:
        return self.context.name

    @property
    def alias(self) -> Alias:
        return self.context.alias

    # --- The consumer's record of the authority ---

    def subscription(self) -> Subscription:
        """Return the record; create it if there is none."""
        row, _ = Subscription.objects.of(self.alias).get_or_create(context=self.consumer, authority=self.authority)
        return row

    def locked(self) -> Subscription:
        """Return the record, locked until the caller's transaction ends."""
        return Subscription.objects.of(self.alias).select_for_update().get(authority=self.authority)

    def update(self, **values: Any) -> None:
        Subscription.objects.of(self.alias).filter(authority=self.authority).update(**values)

    def go_live(self, *, only_from: str = "", **values: Any) -> None:
        """Make this copy live: after a bootstrap whose comparison found no drift, or after `sync` caught up with the head.

        Only if the record is still in the state `only_from`, if given. `values`: fields of the record to change with it.
        """
        if only_from != Subscription.State.UNREACHABLE:
            # Read before the copy is live, so that its report that it is live can't end a grant that is opened later.
            with self.connected() as client:
                values["grant"] = client.registration().get("grant", "")
        rows = Subscription.objects.of(self.alias).filter(authority=self.authority)
        if only_from:
            rows = rows.filter(state=only_from)
        rows.update(state=Subscription.State.LIVE, **values)

    # --- The authority's API ---

    @property
    def client(self) -> AuthorityClient:
        """The open client. Raises `RuntimeError` outside `connected`."""
        if self._client is None:
            raise RuntimeError(f"There is no connection to {self.authority}. Open one: with replica.connected():")
        return self._client

    @contextmanager
    def connected(self, *, patience: float = ANSWER_SECONDS) -> Iterator[AuthorityClient]:
        """Share one client for all calls inside; the outermost block opens and closes it.

        The client keeps the token that the consumer has when it is opened. `patience`: seconds until an answer must begin.
        """
        if self._client is not None:
            yield self._client
            return
        self._client = AuthorityClient(self.authority, self.consumer, patience=patience, kind=self.cache.key_kind)
        try:
            yield self._client
        finally:
            self._client.close()
            self._client = None
