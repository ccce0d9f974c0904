"""Who sent a message: its signature says so, or every program that may write to the broker is trusted.

`scheme` picks one of the two (docs/decisions/0025-signing-is-a-part.md). Nothing else asks which one it is.
"""

import json
from collections.abc import Container, Mapping
from typing import Any, Protocol

from messaging import extras, settings
from messaging.errors import MessageRejected, MissingExtra
from messaging.events.limits import LARGEST_BODY_BYTES as LARGEST_BODY_BYTES
from messaging.events.text import plural
from messaging.transport import unsigned

#: The headers with a message's publisher and signature.
PUBLISHER, SIGNATURE = unsigned.PUBLISHER, unsigned.SIGNATURE
WITHOUT = 'If only programs that you trust can write to the broker, set MESSAGING["SIGNING"] to False instead.'


class Scheme(Protocol):
    """How messages show who sent them. Each method raises `ImproperlyConfigured` for a key that can't be used."""

    def sign(self, publisher: str, task: str, body: bytes) -> dict[str, str]:
        """Return the headers for a publisher's message."""

    def check(self, headers: Mapping[str, Any], task: str, body: bytes) -> Container[str]:
        """Return the publishers whose events a message may contain. Raises `MessageRejected`."""

    def problem(self, consumer: str, publisher: str) -> tuple[str, str] | None:
        """Return (what is wrong, what to do) if a consumer would refuse each of a publisher's messages; else None."""

    def require(self, publisher: str) -> None:
        """Raise `MissingExtra` if a context of this process has keys that it can't sign with."""


def scheme() -> Scheme:
    """The scheme that `MESSAGING["SIGNING"]` chooses; without it, signatures if their extra is installed. Raises `MissingExtra`."""
    chosen = settings.signing()
    if chosen is False:
        return unsigned.Unsigned()
    if chosen is None and (sentence := extras.missing("signing")):
        return unsigned.NotInstalled(f"{sentence}. {WITHOUT}")
    extras.require("signing")
    from messaging.transport import ed25519

    return ed25519.Ed25519()


def signed(publisher: str, task: str, body: bytes) -> dict[str, str]:
    """The headers for a publisher's message. Raises `ImproperlyConfigured` if the publisher has no valid key."""
    return scheme().sign(publisher, task, body)


def check(headers: Mapping[str, Any], task: str, body: Any) -> Container[str]:
    """Verify a message. Returns the publishers whose events it may contain. Raises `MessageRejected`."""
    if not isinstance(body, bytes | bytearray | memoryview | str):
        raise MessageRejected("unsigned: it has no body of bytes.")
    measure(body)
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    return scheme().check(headers, task, raw)


def problem(consumer: str, publisher: str) -> tuple[str, str] | None:
    """Return (what is wrong, what to do) if a consumer would refuse each of a publisher's messages; else None."""
    try:
        return scheme().problem(consumer, publisher)
    except MissingExtra as error:
        return str(error), WITHOUT


def measure(body: Any) -> None:
    """Raise `MessageRejected` for a body that is larger than any of a relay's."""
    size = len(body) if isinstance(body, bytes | bytearray | memoryview | str) else 0
    if size > LARGEST_BODY_BYTES:
        raise MessageRejected(f"too large: {plural(size, 'byte')}, {LARGEST_BODY_BYTES:,} are allowed.")


def signed_message_text(headers: Mapping[str, Any], body: Any) -> str:
    """A JSON object of the headers and `body`, with everything that `check` needs. Empty if it is too large, or not text."""
    try:
        content = body if isinstance(body, str) else bytes(body).decode()
    except (TypeError, UnicodeDecodeError):
        return ""
    if len(content) > LARGEST_BODY_BYTES:
        return ""
    texts = {name: headers[name] for name in (PUBLISHER, SIGNATURE) if isinstance(headers.get(name), str)}
    return json.dumps({**texts, "body": content})
