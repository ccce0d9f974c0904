"""Writes all files or none."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path


def write(new: Mapping[Path, str], appended: Mapping[Path, str]) -> None:
    """Write new files, and add text to the end of others. If one can't be written, the folders are as they were before.

    Raises
    ------
    FileExistsError
        A new file exists already.
    OSError
        A file can't be written.
    """
    with ExitStack() as undo:
        for path, text in new.items():
            for folder in reversed([path.parent, *path.parent.parents]):
                if not folder.exists():
                    folder.mkdir()
                    undo.callback(folder.rmdir)
            with path.open("x", encoding="utf-8") as file:
                undo.callback(path.unlink)
                file.write(text)
        for path, text in appended.items():
            before = path.read_bytes()
            undo.callback(path.write_bytes, before)
            path.write_bytes(before + ("" if before.endswith(b"\n") or not before else "\n").encode() + text.encode())
        undo.pop_all()
