"""URLs of the contexts' APIs, from the environment or from this machine's `make run`."""

import os

from config.env import VAR

#: `make run` writes the address of its web server here.
ADDRESS = VAR / "run" / "address"


def url(authority: str) -> str:
    """Return `USERS_API_URL`, or the URL of this machine's web server."""
    named = os.environ.get(f"{authority.upper()}_API_URL", "").strip()
    if named:
        return named
    if "PORT" not in os.environ and ADDRESS.exists():
        return ADDRESS.read_text().strip()
    return f"http://127.0.0.1:{os.environ.get('PORT', '').strip() or 8000}"
