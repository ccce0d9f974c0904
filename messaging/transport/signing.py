"""Signatures: a publisher signs its messages, and a consumer accepts only messages that it can verify.

Each message has one Ed25519 signature (RFC 8032), over the SHA-256 of publisher, task and the body's bytes as sent. So it costs
little per event and needs no canonical form, and the consumer named in the body is signed too. A writer to the queue without a key
can neither forge nor change messages. A repeated message does no harm: the inbox recognizes it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature

from messaging import settings
from messaging.errors import MessageRejected
from messaging.events.limits import LARGEST_BODY_BYTES as LARGEST_BODY_BYTES
from messaging.events.text import plural
from messaging.transport import keys

#: The headers with a message's publisher and signature.
PUBLISHER, SIGNATURE = "publisher", "signature"


def signed(publisher: str, task: str, body: bytes) -> dict[str, str]:
    """The signature's headers for a publisher's message. Raises `ImproperlyConfigured` if the publisher has no valid key."""
    signature = keys.private(publisher).sign(covered(publisher, task, body))
    return {PUBLISHER: publisher, SIGNATURE: keys.text(signature)}


def check(headers: Mapping[str, Any], task: str, body: Any) -> str | None:
    """Verify a message, and return its publisher; None for an unsigned one, if `ACCEPT_UNSIGNED` names any publisher.

    Raises `MessageRejected`."""
    if not isinstance(body, bytes | bytearray | memoryview | str):
        raise MessageRejected("unsigned: it has no body of bytes.")
    measure(body)
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    publisher, signature = headers.get(PUBLISHER), headers.get(SIGNATURE)
    if publisher is None and signature is None:
        if settings.unsigned():
            return None
        raise MessageRejected("unsigned: it has no headers with publisher and signature.")
    if not isinstance(publisher, str) or not isinstance(signature, str):
        raise MessageRejected("bad signature: publisher and signature must be texts.")
    known = keys.public(publisher)
    if not known:
        raise MessageRejected(f"unknown publisher: this process has no public key of {publisher[:50]!r}.")
    digest, given = covered(publisher, task, raw), keys.octets(signature)
    for key in known:
        try:
            key.verify(given, digest)
        except InvalidSignature:
            continue
        return publisher
    raise MessageRejected(f"bad signature: the message was changed, or signed with a key that isn't known as {publisher}'s.")


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


def publishers(verified: str | None) -> list[str]:
    """The publishers whose events a message may contain: the verified one, or if it is unsigned those in `ACCEPT_UNSIGNED`."""
    return settings.unsigned() if verified is None else [verified]


def covered(publisher: str, task: str, body: bytes) -> bytes:
    """The digest that is signed."""
    # Ed25519 hashes its input twice, with a slower hash; a digest of half a megabyte costs a quarter of that. Each name ends with a
    # newline, which no name with a key contains, so different messages can't have the same bytes.
    digest = hashlib.sha256(f"{publisher}\n{task}\n".encode("utf-8", "surrogatepass"))
    digest.update(body)
    return digest.digest()
