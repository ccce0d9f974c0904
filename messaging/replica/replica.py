"""One consumer's copy of one authority: what `bootstrap`, `catch_up`, `compare` and all the others are about."""

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
    """`context`: the consumer. `authority`: the feed that is copied. `cache`: where its rows are kept."""

    context: Context
    authority: str
    cache: Cache
    _client: AuthorityClient | None = field(default=None, repr=False)

    @classmethod
    def of(cls, consumer: str, authority: str, *, client: AuthorityClient | None = None) -> "Replica":
        """A consumer's copy of an authority. `client`: one that the caller opened, and closes. Raises `NoCache`."""
        cache = declared_cache(consumer, authority)
        if cache is None:
            raise NoCache(
                f"{consumer} keeps no copy of {authority}'s facts. Its copies: {', '.join(declared_caches(consumer)) or 'none'}."
            )
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
        """The record. It is created if there is none."""
        row, _ = Subscription.objects.using(self.alias).get_or_create(pk=self.authority)
        return row

    def locked(self) -> Subscription:
        """The record, locked until the caller's transaction ends."""
        return Subscription.objects.using(self.alias).select_for_update().get(pk=self.authority)

    def update(self, **values: Any) -> None:
        Subscription.objects.using(self.alias).filter(pk=self.authority).update(**values)

    def go_live(self, *, only_from: str = "", **values: Any) -> None:
        """Make this copy live.

        `bootstrap` does where a comparison found no drift; `sync` where a copy that events filled, or that was unreachable, has
        come up to the authority's head.

        `only_from`: nothing changes where its state is another one by now. `values`: of the record, changed with it.
        """
        if only_from != Subscription.State.UNREACHABLE:
            # Asked before it is live: the report that it is ends no grant that is opened from now on.
            with self.connected() as client:
                values["grant"] = client.registration().get("grant", "")
        rows = Subscription.objects.using(self.alias).filter(pk=self.authority)
        if only_from:
            rows = rows.filter(state=only_from)
        rows.update(state=Subscription.State.LIVE, **values)

    # --- The authority's API ---

    @property
    def client(self) -> AuthorityClient:
        """The open client; only inside `connected`."""
        if self._client is None:
            raise RuntimeError(f"Nothing is asked of {self.authority} outside `with replica.connected():`.")
        return self._client

    @contextmanager
    def connected(self, *, patience: float = ANSWER_SECONDS) -> Iterator[AuthorityClient]:
        """Around calls to the authority: they share one client, and the outermost block closes it. The client shows the token that
        the consumer has when it is opened."""
        if self._client is not None:
            yield self._client
            return
        self._client = AuthorityClient(self.authority, self.consumer, patience=patience)
        try:
            yield self._client
        finally:
            self._client.close()
            self._client = None
