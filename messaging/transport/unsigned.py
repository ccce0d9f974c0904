"""Messages without signatures: only trusted programs can write to the broker, or the extra `signing` isn't installed."""

from collections.abc import Container, Mapping
from typing import Any

from messaging import settings
from messaging.errors import MessageRejected, MissingExtra

#: The headers of a signed message.
PUBLISHER, SIGNATURE = "publisher", "signature"


class Anybody(Container[str]):
    """Every publisher."""

    def __contains__(self, publisher: object) -> bool:
        return True


class AnybodyWithoutKeys(Container[str]):
    """Every publisher whose keys this process doesn't know. One object for each message: a message has events of few publishers."""

    def __init__(self) -> None:
        self._known: dict[object, bool] = {}

    def __contains__(self, publisher: object) -> bool:
        if publisher not in self._known:
            self._known[publisher] = not _keys_of(str(publisher))
        return self._known[publisher]


#: As in the tables.
LONGEST_NAME = 50


class Unsigned:
    """`MESSAGING["SIGNING"]` is False: nothing is signed, and signatures of others aren't checked."""

    def sign(self, publisher: str, task: str, body: bytes) -> dict[str, str]:
        return {}

    def check(self, headers: Mapping[str, Any], task: str, body: bytes) -> Container[str]:
        return Anybody()

    def problem(self, consumer: str, publisher: str) -> tuple[str, str] | None:
        return None

    def require(self, publisher: str) -> None:
        pass


class NotInstalled(Unsigned):
    """The extra isn't installed, and no setting says that messages need no signature.

    So nothing is signed, as long as nothing shows that this deployment signs: a context with keys doesn't send, and a message that
    is signed, or is from a publisher with keys, is refused. Otherwise a package that was forgotten on one machine would end the
    verification there, and nobody would notice. `sentence` says what is missing and what to do.
    """

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence

    def sign(self, publisher: str, task: str, body: bytes) -> dict[str, str]:
        self.require(publisher)
        return {}

    def check(self, headers: Mapping[str, Any], task: str, body: bytes) -> Container[str]:
        if headers.get(PUBLISHER) is not None or headers.get(SIGNATURE) is not None:
            raise MessageRejected(f"can't be verified: it is signed. {self.sentence}")
        return AnybodyWithoutKeys()

    def problem(self, consumer: str, publisher: str) -> tuple[str, str] | None:
        found = _keys_of(publisher)
        return (f"{consumer} has keys of {publisher} ({found}), and can't check signatures.", self.sentence) if found else None

    def require(self, publisher: str) -> None:
        if found := _keys_of(publisher):
            raise MissingExtra(f"{publisher} has keys ({found}), and can't sign. {self.sentence}")


def _keys_of(publisher: str) -> str:
    """Return where this process has keys of a publisher; empty if it has none."""
    if not (publisher.isascii() and publisher.isidentifier() and len(publisher) <= LONGEST_NAME):
        return ""  # the name comes with a message, and must not be a path to another file, or longer than a file's name may be
    if settings.signing_keys(publisher):
        return "SIGNING_KEYS"
    if settings.public_keys(publisher):
        return "PUBLIC_KEYS"
    file = settings.key_folder() / publisher
    return str(file) if file.is_file() else ""
