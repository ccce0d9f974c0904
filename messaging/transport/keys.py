"""Publishers' keys. A context's signing key is from the environment, or in a file that is made when it is first needed and that
only its owner can read. Of others only the public keys are known, from the environment.

A file has a key a line: the first one signs, and all of them are accepted of consumers on the same machine. So a new key is first
added, then told to the other machines, then put first, and the old one removed when nothing that it signed waits any more.
"""

import base64
import binascii
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.exceptions import ImproperlyConfigured

from messaging import settings

#: Bytes of a key, private or public.
KEY_BYTES = 32


def private(context: str) -> Ed25519PrivateKey:
    """The key that a context of this process signs with. Raises `ImproperlyConfigured` for one that is none."""
    return _private(signing_key_texts(context)[0])


def public(publisher: str) -> list[Ed25519PublicKey]:
    """The keys of which one must have signed what comes from this publisher; none where it isn't known here."""
    return [_public(text) for text in public_key_texts(publisher)]


def public_key_texts(publisher: str) -> list[str]:
    """The same, as texts: what `PUBLIC_KEYS` names, else those that belong to the signing keys of this machine."""
    if not (publisher.isascii() and publisher.isidentifier()):
        return []  # the name comes with a message: it must not lead anywhere else
    return settings.public_keys(publisher) or [public_text(key) for key in _own(publisher)]


def signing_key_texts(context: str) -> list[str]:
    """A context's signing keys as texts, the one that signs first. In its file there is at least one from now on."""
    given = settings.signing_keys(context)
    if given:
        return given
    file = file_of(context)
    if not file.exists():
        _write(file, [_new()], replace=False)
    return _lines(file)


@lru_cache(maxsize=64)
def public_text(key: str) -> str:
    """What consumers may know of a signing key."""
    return text(_private(key).public_key().public_bytes_raw())


def add(context: str) -> None:
    """Make a key beside those that a context has in its file. It doesn't sign yet."""
    _write(file_of(context), [*signing_key_texts(context), _new()])


def switch(context: str) -> None:
    """Let the last key of the file sign. The others are still accepted on this machine."""
    *older, newest = signing_key_texts(context)
    _write(file_of(context), [newest, *older])


def drop_retired(context: str) -> None:
    """Remove all keys of the file but the one that signs."""
    _write(file_of(context), signing_key_texts(context)[:1])


def file_of(context: str) -> Path:
    """Where a context's signing keys are, if they aren't in the environment."""
    return settings.key_folder() / context


def text(octets: bytes) -> str:
    """Bytes as they are written in headers and variables."""
    return base64.b64encode(octets).decode()


def octets(text: str) -> bytes:
    """Those bytes again; empty for what is no such text."""
    try:
        return base64.b64decode(text.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _own(publisher: str) -> list[str]:
    """The signing keys of a context of this process, or of another one that shares its folder; none elsewhere."""
    if publisher in settings.contexts():
        return signing_key_texts(publisher)
    return _lines(file_of(publisher)) if file_of(publisher).is_file() else []


def _lines(file: Path) -> list[str]:
    return _read(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(file: Path, changed: int) -> list[str]:
    found = file.read_text(encoding="ascii", errors="replace").split()
    if not found:
        raise ImproperlyConfigured(f"{file} holds no key. Remove it, and a new one is made; consumers elsewhere must be told.")
    return found


@lru_cache(maxsize=64)
def _private(key: str) -> Ed25519PrivateKey:
    seed = octets(key)
    if len(seed) != KEY_BYTES:
        raise ImproperlyConfigured(
            f"A signing key isn't {KEY_BYTES} bytes in base64. One is made by: openssl rand -base64 {KEY_BYTES}"
        )
    return Ed25519PrivateKey.from_private_bytes(seed)


@lru_cache(maxsize=64)
def _public(key: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(octets(key))
    except ValueError:
        raise ImproperlyConfigured(
            f"{key[:60]!r} is no public key: {KEY_BYTES} bytes in base64, as `signing_keys` prints them where the publisher runs."
        ) from None


def _new() -> str:
    return text(Ed25519PrivateKey.generate().private_bytes_raw())


def _write(file: Path, lines: Sequence[str], *, replace: bool = True) -> None:
    """Into place in one step, readable by nobody else. Without `replace` whoever came first has made it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=".", suffix=".new", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write("".join(f"{line}\n" for line in lines))
        if replace:
            os.replace(draft, file)
            return
        with suppress(FileExistsError):
            os.link(draft, file)
    finally:
        Path(draft).unlink(missing_ok=True)
