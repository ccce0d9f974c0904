"""Consumers' tokens: shown once, stored as a hash, for a limited time.

A token is 256 random bits, so one round of SHA-256 hides it (a slow hash is for passwords, which can be guessed), and a lookup by
the hash tells a guesser nothing by its timing: who has a hash that begins right has no token that does. The hashes themselves are
compared in constant time.
"""

import hashlib
import os
import secrets
import tempfile
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from messaging import settings
from messaging.errors import TokenRejected
from messaging.models import Consumer
from messaging.publisher import entries


def issue_token(*, authority: str, name: str, ttl: timedelta) -> str:
    """Make a consumer's token, valid for `ttl`; the one that it had is unknown from now on. It is returned here and kept nowhere.

    Raises `NotRegistered`.
    """
    token = secrets.token_urlsafe(32)
    entries.change(authority, name, token_hash=_hash(token), token_expires_at=timezone.now() + ttl)
    return token


def prolong_token(*, authority: str, name: str, ttl: timedelta) -> None:
    """Let the token that a consumer has end `ttl` from now. Raises `NotRegistered`."""
    entries.change(authority, name, token_expires_at=timezone.now() + ttl)


def by_token(authority: str, token: str) -> Consumer:
    """The consumer that a token belongs to. Raises `TokenRejected`."""
    hashed = _hash(token)
    consumer = entries.of(authority).filter(token_hash=hashed).first() if token else None
    if consumer is None or not secrets.compare_digest(consumer.token_hash, hashed):
        raise TokenRejected(
            "unknown_token",
            f"{authority} knows no such token: it was never issued, or replaced, or revoked. "
            "For another: consumers register … --new-token",
        )
    if consumer.token_expires_at is None or consumer.token_expires_at <= timezone.now():
        raise TokenRejected(
            "expired_token", f"The token of {consumer.name} has expired. For another: consumers register … --new-token"
        )
    return consumer


def token_file(consumer: str, authority: str) -> Path:
    """Where the token is kept for a consumer that runs on the authority's machine."""
    return settings.token_folder() / f"{consumer}-at-{authority}"


def keep_token(*, consumer: str, authority: str, token: str) -> Path | None:
    """Keep a token where the consumer finds it, if its context runs in this process: readable by nobody else, and in one step.

    Returns the file; None where the consumer runs elsewhere. Raises `OSError`.
    """
    if consumer not in settings.contexts():
        return None
    file = token_file(consumer, authority)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f"{file.name}.", suffix=".new", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as opened:
            opened.write(f"{token}\n")
        os.replace(draft, file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return file


def ensure_token(*, consumer: str, authority: str, ttl: timedelta) -> bool:
    """See to it that a consumer of this process has a token that its authority, here too, accepts. True where one was made.

    A token that came from elsewhere (an environment variable) is left alone: issuing another would end it.
    """
    given, file = settings.api_token(consumer, authority), token_file(consumer, authority)
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
