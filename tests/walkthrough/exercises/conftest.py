"""A test's reader has files and results of their own. The databases' template is shared."""

from pathlib import Path

import pytest

from walkthrough.exercises import book, checker
from walkthrough.script import kept


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "FILES", tmp_path / "exercises")
    monkeypatch.setattr(kept, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(checker, "LONGEST", 150.0)  # other tests may load the machine
