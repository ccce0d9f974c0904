"""Publishers' keys from the environment. Without them, `messaging/transport/keys.py` uses files under `var/`."""

import os


def signing(publisher: str) -> list[str]:
    """Return `USERS_SIGNING_KEYS`: the key that `users` signs with, then earlier ones."""
    return _words(f"{publisher.upper()}_SIGNING_KEYS")


def public(publisher: str) -> list[str]:
    """Return `USERS_PUBLIC_KEYS`: the keys that may have signed a message of `users`."""
    return _words(f"{publisher.upper()}_PUBLIC_KEYS")


def unsigned() -> list[str]:
    """Return `ACCEPT_UNSIGNED`: the publishers that don't sign yet."""
    return _words("ACCEPT_UNSIGNED")


def _words(variable: str) -> list[str]:
    return [word.strip() for word in os.environ.get(variable, "").split(",") if word.strip()]
