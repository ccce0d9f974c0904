"""Publishers' keys. A context's signing keys are in the environment, or in a file that is created on first use and that only its
owner can read. Other machines only know the public keys, from the environment.

A file has one key per line. The first one signs; consumers on the same machine accept all of them. To replace a key, add a new one,
publish it to the other machines, make it the first, and remove the old one when no message that it signed is waiting.
"""

import base64
import binascii
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.exceptions import ImproperlyConfigured

from messaging import settings
from messaging.transport import private_files

#: The length of a private or public key.
KEY_BYTES = 32


def private(context: str) -> Ed25519PrivateKey:
    """The key that a context of this process signs with. Raises `ImproperlyConfigured` if it isn't a valid key."""
    return _private(signing_key_texts(context)[0])


def public(publisher: str) -> list[Ed25519PublicKey]:
    """The keys that this publisher's signatures are checked with; empty if none is known here."""
    return [_public(text) for text in public_key_texts(publisher)]


def public_key_texts(publisher: str) -> list[str]:
    """The same as text: the keys in `PUBLIC_KEYS`, or else those of this machine's signing keys."""
    if not (publisher.isascii() and publisher.isidentifier()):
        return []  # the name comes with a message, and must not be a path to another file
    return settings.public_keys(publisher) or [public_text(key) for key in _own(publisher)]


def signing_key_texts(context: str) -> list[str]:
    """A context's signing keys as text; the first one signs. Creates the file with a key if there is none."""
    given = settings.signing_keys(context)
    if given:
        return given
    file = file_of(context)
    if not file.exists():
        _write(file, [_new()], replace=False)
    return _lines(file)


@lru_cache(maxsize=64)
def public_text(key: str) -> str:
    """The public key of a signing key, as text."""
    return text(_private(key).public_key().public_bytes_raw())


def add(context: str) -> None:
    """Add a new key to a context's file. It doesn't sign yet."""
    _write(file_of(context), [*signing_key_texts(context), _new()])


def switch(context: str) -> None:
    """Make the file's last key the one that signs. This machine still accepts the others."""
    *older, newest = signing_key_texts(context)
    _write(file_of(context), [newest, *older])


def drop_retired(context: str) -> None:
    """Remove all keys of the file except the one that signs."""
    _write(file_of(context), signing_key_texts(context)[:1])


def file_of(context: str) -> Path:
    """The file of a context's signing keys, if they aren't in the environment."""
    return settings.key_folder() / context


def text(octets: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(octets).decode()


def octets(text: str) -> bytes:
    """The bytes of a base64 text; empty if it isn't one."""
    try:
        return base64.b64decode(text.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _own(publisher: str) -> list[str]:
    """The signing keys of a context of this process, or of another process with the same folder."""
    if publisher in settings.contexts():
        return signing_key_texts(publisher)
    return _lines(file_of(publisher)) if file_of(publisher).is_file() else []


def _lines(file: Path) -> list[str]:
    return _read(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(file: Path, changed: int) -> list[str]:
    found = file.read_text(encoding="ascii", errors="replace").split()
    if not found:
        raise ImproperlyConfigured(
            f"{file} has no key. Remove it, then give other machines the new public key: manage.py signing_keys {file.name}"
        )
    return found


@lru_cache(maxsize=64)
def _private(key: str) -> Ed25519PrivateKey:
    seed = octets(key)
    if len(seed) != KEY_BYTES:
        raise ImproperlyConfigured(
            f"A signing key isn't {KEY_BYTES} bytes in base64. Generate one: openssl rand -base64 {KEY_BYTES}"
        )
    return Ed25519PrivateKey.from_private_bytes(seed)


@lru_cache(maxsize=64)
def _public(key: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(octets(key))
    except ValueError:
        raise ImproperlyConfigured(
            f"{key[:60]!r} is not a public key ({KEY_BYTES} bytes in base64). Copy one from the publisher's machine: signing_keys"
        ) from None


def _new() -> str:
    return text(Ed25519PrivateKey.generate().private_bytes_raw())


def _write(file: Path, lines: Sequence[str], *, replace: bool = True) -> None:
    private_files.write(file, "".join(f"{line}\n" for line in lines), replace=replace)
