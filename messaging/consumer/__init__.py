"""Receive each event once, and keep a copy of another context's facts."""

from messaging.consumer.cache import Cache, declared_caches
from messaging.consumer.handlers import Event, Handler
from messaging.database.upsert import Upserted, insert_new, upsert_newer

__all__ = ["Cache", "Event", "Handler", "Upserted", "declared_caches", "insert_new", "upsert_newer"]
