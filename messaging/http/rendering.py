"""Write the API's JSON."""

from typing import Any

from rest_framework.renderers import JSONRenderer

from messaging.authority.rendering import rendered


class Json(JSONRenderer):
    """Render the same JSON as DRF, with the writer that an authority of the same process has too."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else rendered(data)
