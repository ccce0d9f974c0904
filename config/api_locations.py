"""Where the contexts' APIs are, and the tokens for them: from the environment, else those of this machine's `make run`."""

import os

from config.env import VAR

#: `make run` writes the address of its web server here.
ADDRESS = VAR / "run" / "address"


def url(authority: str) -> str:
    """`USERS_API_URL`; by default the web server that runs on this machine."""
    named = os.environ.get(f"{authority.upper()}_API_URL", "").strip()
    if named:
        return named
    if "PORT" not in os.environ and ADDRESS.exists():
        return ADDRESS.read_text().strip()
    return f"http://127.0.0.1:{os.environ.get('PORT', '').strip() or 8000}"


def token(consumer: str, authority: str) -> str:
    """`USERS_API_TOKEN`; by default the one that `consumers register` kept on this machine."""
    named = os.environ.get(f"{authority.upper()}_API_TOKEN", "").strip()
    if named:
        return named
    kept = VAR / "tokens" / f"{consumer}-at-{authority}"
    return kept.read_text().strip() if kept.exists() else ""
