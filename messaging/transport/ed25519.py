"""Signatures: a publisher signs its messages, and a consumer accepts only messages that it can verify.

Each message has one Ed25519 signature (RFC 8032), over the SHA-256 of publisher, task and the body's bytes as sent. So it costs
little per event and needs no canonical form, and the consumer named in the body is signed too. A writer to the queue without a key
can neither forge nor change messages. A repeated message does no harm: the inbox recognizes it.
"""

import hashlib
from collections.abc import Container, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature

from messaging import settings
from messaging.errors import MessageRejected
from messaging.transport import keys
from messaging.transport.unsigned import PUBLISHER, SIGNATURE


class Ed25519:
    """Signs with the publisher's key, and checks with its public keys. `ACCEPT_UNSIGNED` names publishers that don't sign yet."""

    def sign(self, publisher: str, task: str, body: bytes) -> dict[str, str]:
        signature = keys.private(publisher).sign(covered(publisher, task, body))
        return {PUBLISHER: publisher, SIGNATURE: keys.text(signature)}

    def check(self, headers: Mapping[str, Any], task: str, body: bytes) -> Container[str]:
        publisher, signature = headers.get(PUBLISHER), headers.get(SIGNATURE)
        if publisher is None and signature is None:
            if accepted := settings.unsigned():
                return accepted
            raise MessageRejected("unsigned: it has no headers with publisher and signature.")
        if not isinstance(publisher, str) or not isinstance(signature, str):
            raise MessageRejected("bad signature: publisher and signature must be texts.")
        known = keys.public(publisher)
        if not known:
            raise MessageRejected(f"unknown publisher: this process has no public key of {publisher[:50]!r}.")
        digest, given = covered(publisher, task, body), keys.octets(signature)
        for key in known:
            try:
                key.verify(given, digest)
            except InvalidSignature:
                continue
            return [publisher]
        raise MessageRejected(f"bad signature: the message was changed, or signed with a key that isn't known as {publisher}'s.")

    def problem(self, consumer: str, publisher: str) -> tuple[str, str] | None:
        own = publisher in settings.contexts() and not settings.public_keys(publisher)  # this process has or makes its key
        if own or publisher in settings.unsigned() or keys.public(publisher):
            return None
        printed = f"Where {publisher} runs, this prints it: `manage.py signing_keys {publisher}`."
        hint = f"Set {publisher.upper()}_PUBLIC_KEYS here. {printed}"
        return f"{consumer} has no public key of {publisher}.", hint

    def require(self, publisher: str) -> None:
        pass  # it makes its key when it is first needed


def covered(publisher: str, task: str, body: bytes) -> bytes:
    """The digest that is signed."""
    # Ed25519 hashes its input twice, with a slower hash; a digest of half a megabyte costs a quarter of that. Each name ends with a
    # newline, which no name with a key contains, so different messages can't have the same bytes.
    digest = hashlib.sha256(f"{publisher}\n{task}\n".encode("utf-8", "surrogatepass"))
    digest.update(body)
    return digest.digest()
