"""The suite runs without the extra `signing` too. Then messages are unsigned, and tests of signatures themselves are skipped."""

from typing import Any

import pytest

from messaging import extras

INSTALLED = not extras.missing("signing")
WITHOUT = "the extra signing isn't installed"
needs_signing = pytest.mark.skipif(not INSTALLED, reason=WITHOUT)


def keys() -> Any:
    """The module of keys, whose import needs the extra."""
    return pytest.importorskip("messaging.transport.keys", reason=WITHOUT)


def public_keys(context: str) -> str:
    """What a deployment sets as a context's public keys; nothing where no message is signed."""
    return ",".join(keys().public_key_texts(context)) if INSTALLED else ""
