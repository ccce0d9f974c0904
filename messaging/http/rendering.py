"""Write the API's JSON."""

from typing import Any

from pydantic_core import to_json
from rest_framework.renderers import JSONRenderer


class Written(str):
    """Text that is JSON already, as an answer or as a value of one."""

    __slots__ = ()

    @classmethod
    def list_of(cls, items: list[str]) -> "Written":
        return cls(f"[{','.join(items)}]")


class Json(JSONRenderer):
    """Render the same JSON as DRF in a quarter of its time, with pydantic's writer. `Written` values are inserted unchanged."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        if data is None:
            return b""
        if not isinstance(data, dict):
            return _json(data)
        return b"{" + b",".join(b"%b:%b" % (to_json(name), _json(value)) for name, value in data.items()) + b"}"


def _json(value: Any) -> bytes:
    return value.encode() if isinstance(value, Written) else to_json(value)
