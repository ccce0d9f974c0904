"""Messages as they travel, for tests that call a worker's task."""

import json
from typing import Any

from messaging.transport import signing


def travelled(task: str, publisher: str = "users", **values: Any) -> dict[str, Any]:
    """The task's arguments for a message with these values that this publisher signed, in the queue of its consumer."""
    body = json.dumps([[], values, {}]).encode()
    return {"context": values["consumer"], "headers": signing.signed(publisher, task, body), "body": body}
