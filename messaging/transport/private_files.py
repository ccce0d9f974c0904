"""Files with a secret: written in one step, and readable by their owner only."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write(file: Path, text: str, *, replace: bool = True) -> None:
    """Write a secret to a file, or leave the old file as it was. Without `replace`, an existing file stays.

    A new folder gets a `.gitignore`, because it may be inside a project. Raises `OSError`.
    """
    if not file.parent.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (file.parent / ".gitignore").write_text("*\n")
    handle, draft = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".new", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as opened:
            opened.write(text)
        if replace:
            os.replace(draft, file)
        else:
            with suppress(FileExistsError):
                os.link(draft, file)
    finally:
        Path(draft).unlink(missing_ok=True)
