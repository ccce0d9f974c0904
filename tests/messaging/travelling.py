"""Messages as they travel, for tests that call a worker's task."""

import json
from typing import Any

from messaging.transport import signing


def travelled(task: str, publisher: str = "users", **values: Any) -> dict[str, Any]:
    """Return the task's arguments for a message with these values that this publisher signed, in its consumer's queue."""
    body = json.dumps([[], values, {}]).encode()
    return {"context": values["consumer"], "headers": signing.signed(publisher, task, body), "body": body}
