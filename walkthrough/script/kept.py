"""JSON files under `var/` that the walkthrough keeps between two steps. Each is replaced at once."""

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

from config.env import VAR

log = logging.getLogger(__name__)
FOLDER = VAR / "walkthrough"


def read(path: Path) -> dict[str, Any]:
    """Return the file's values; empty if the file is missing or unreadable."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        log.warning("%s is not readable JSON, so it counts as empty", path.name)
        return {}
    if not isinstance(found, dict):
        log.warning("%s holds no JSON object, so it counts as empty", path.name)
        return {}
    return found


def write(path: Path, values: dict[str, Any]) -> None:
    draft = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
    draft.write_text(json.dumps(values, indent=1, default=str), encoding="utf-8")
    draft.replace(path)
