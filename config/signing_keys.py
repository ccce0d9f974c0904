"""Publishers' keys, from the environment; where it has none, those in files under `var/` count (`messaging/transport/keys.py`)."""

import os


def signing(publisher: str) -> list[str]:
    """`USERS_SIGNING_KEYS`: what users sign with, the first, and what they signed with before."""
    return _words(f"{publisher.upper()}_SIGNING_KEYS")


def public(publisher: str) -> list[str]:
    """`USERS_PUBLIC_KEYS`: what a message of users may be signed with."""
    return _words(f"{publisher.upper()}_PUBLIC_KEYS")


def unsigned() -> list[str]:
    """`ACCEPT_UNSIGNED`: publishers that don't sign yet."""
    return _words("ACCEPT_UNSIGNED")


def _words(variable: str) -> list[str]:
    return [word.strip() for word in os.environ.get(variable, "").split(",") if word.strip()]
