"""Who sent a message: a publisher signs what it sends, and a consumer takes only what it can check.

One Ed25519 signature (RFC 8032) for each message, over the SHA-256 of publisher, task and the body's bytes as they travel. So it
costs little per event, nothing has to be spelled in one certain way, and the consumer whom the body names is covered too. Who may
write to a queue can neither make messages nor change them; sending one twice does no harm, for the inbox knows it.
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

#: The headers of a message that say who sent it, and prove it.
PUBLISHER, SIGNATURE = "publisher", "signature"


def signed(publisher: str, task: str, body: bytes) -> dict[str, str]:
    """The headers for a message that this publisher sends. Raises `ImproperlyConfigured` where it has no key."""
    signature = keys.private(publisher).sign(covered(publisher, task, body))
    return {PUBLISHER: publisher, SIGNATURE: keys.text(signature)}


def check(headers: Mapping[str, Any], task: str, body: Any) -> str | None:
    """Who sent a message; None for an unsigned one, where `ACCEPT_UNSIGNED` names who doesn't sign yet.

    Raises `MessageRejected`."""
    if not isinstance(body, bytes | bytearray | memoryview | str):
        raise MessageRejected("unsigned: it has no body that could be signed.")
    measure(body)
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    publisher, signature = headers.get(PUBLISHER), headers.get(SIGNATURE)
    if publisher is None and signature is None:
        if settings.unsigned():
            return None
        raise MessageRejected("unsigned: nothing says who sent it.")
    if not isinstance(publisher, str) or not isinstance(signature, str):
        raise MessageRejected("bad signature: its headers are no texts.")
    known = keys.public(publisher)
    if not known:
        raise MessageRejected(f"unknown publisher: no public key of {publisher[:50]!r} is known here.")
    digest, given = covered(publisher, task, raw), keys.octets(signature)
    for key in known:
        try:
            key.verify(given, digest)
        except InvalidSignature:
            continue
        return publisher
    raise MessageRejected(f"bad signature: it isn't what {publisher} signed, or it was signed with a key that isn't known here.")


def measure(body: Any) -> None:
    """Raises `MessageRejected` for more than a relay sends."""
    size = len(body) if isinstance(body, bytes | bytearray | memoryview | str) else 0
    if size > LARGEST_BODY_BYTES:
        raise MessageRejected(f"too large: {plural(size, 'byte')}, {LARGEST_BODY_BYTES:,} are allowed.")


def signed_message_text(headers: Mapping[str, Any], body: Any) -> str:
    """A message with all that `check` needs, as JSON whose names are its headers' and `body`; empty where it is too large for that,
    or no text."""
    try:
        content = body if isinstance(body, str) else bytes(body).decode()
    except (TypeError, UnicodeDecodeError):
        return ""
    if len(content) > LARGEST_BODY_BYTES:
        return ""
    texts = {name: headers[name] for name in (PUBLISHER, SIGNATURE) if isinstance(headers.get(name), str)}
    return json.dumps({**texts, "body": content})


def publishers(verified: str | None) -> list[str]:
    """Whose events a message may hold: its publisher's, or where it needs no signature those of whoever doesn't sign yet."""
    return settings.unsigned() if verified is None else [verified]


def covered(publisher: str, task: str, body: bytes) -> bytes:
    """What is signed."""
    # Ed25519 reads what it signs twice, by a slower hash; a digest of half a megabyte costs a quarter of that. Names end in a line
    # end, which is in none that has a key, so no other three make the same bytes.
    digest = hashlib.sha256(f"{publisher}\n{task}\n".encode("utf-8", "surrogatepass"))
    digest.update(body)
    return digest.digest()
