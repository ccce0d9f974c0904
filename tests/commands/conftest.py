"""Commands keep tokens in files, here in the tests' own folder."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def token_folder(tmp_path: Path, settings) -> Path:
    folder = tmp_path / "tokens"
    settings.MESSAGING = {**settings.MESSAGING, "TOKEN_FOLDER": folder}
    return folder


@pytest.fixture
def web(live_server, settings, token_folder) -> str:
    """Serve the contexts' feeds."""
    settings.MESSAGING = {**settings.MESSAGING, "API_URL": lambda authority: live_server.url}
    return live_server.url
