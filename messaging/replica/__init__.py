"""One consumer's copy of one authority: fill it, catch up, compare it, repair it, and say how fresh it is."""

from messaging.replica import compare, staleness
from messaging.replica.client import AuthorityClient
from messaging.replica.lookup import BatchLookup, find
from messaging.replica.replica import Replica
from messaging.replica.staleness import Policy, span_in_words

__all__ = ["AuthorityClient", "BatchLookup", "Policy", "Replica", "compare", "find", "span_in_words", "staleness"]
