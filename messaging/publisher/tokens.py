"""Consumers' tokens: shown once, stored as a hash, valid for a limited time.

A token is 256 random bits, so one round of SHA-256 is enough; slow hashes are for passwords, which can be guessed. The timing of a
lookup by hash reveals nothing useful, because part of a hash doesn't lead to a token. The hashes are compared in constant time.
"""

import hashlib
import secrets
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from messaging import settings
from messaging.errors import TokenRejected
from messaging.models import Consumer
from messaging.publisher import entries
from messaging.transport import private_files


def issue_token(*, authority: str, name: str, ttl: timedelta) -> str:
    """Issue a consumer's token, valid for `ttl`, and end its previous one. Only the hash is stored. Raises `NotRegistered`."""
    token = secrets.token_urlsafe(32)
    entries.change(authority, name, token_hash=_hash(token), token_expires_at=timezone.now() + ttl)
    return token


def prolong_token(*, authority: str, name: str, ttl: timedelta) -> None:
    """Let a consumer's present token expire `ttl` from now. Raises `NotRegistered`."""
    entries.change(authority, name, token_expires_at=timezone.now() + ttl)


def by_token(authority: str, token: str) -> Consumer:
    """The consumer that a token belongs to. Raises `TokenRejected`."""
    hashed = _hash(token)
    consumer = entries.of(authority).filter(token_hash=hashed).first() if token else None
    if consumer is None or not secrets.compare_digest(consumer.token_hash, hashed):
        raise TokenRejected(
            "unknown_token",
            f"{authority} doesn't know this token: it was never issued, or was replaced or revoked.",
        )
    if consumer.token_expires_at is None or consumer.token_expires_at <= timezone.now():
        raise TokenRejected("expired_token", f"The token of {consumer.name} has expired.")
    return consumer


def keep_token(*, consumer: str, authority: str, token: str) -> Path | None:
    """Store a token where the consumer finds it, if its context is in this process.

    Returns the file, or None if the consumer runs elsewhere. Raises `OSError`.
    """
    if consumer not in settings.contexts():
        return None
    file = settings.token_file(consumer, authority)
    private_files.write(file, f"{token}\n")
    return file


def ensure_token(*, consumer: str, authority: str, ttl: timedelta) -> bool:
    """Make sure that a consumer has a valid token; both contexts are in this process. Returns True if it issued one.

    A token from elsewhere (an environment variable) stays: issuing another would end it.
    """
    given, file = settings.api_token(consumer, authority), settings.token_file(consumer, authority)
    kept = file.read_text().strip() if file.exists() else ""
    if given and given != kept:
        return False
    try:
        if by_token(authority, kept).name == consumer:
            return False
    except TokenRejected:
        pass
    keep_token(consumer=consumer, authority=authority, token=issue_token(authority=authority, name=consumer, ttl=ttl))
    return True


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
