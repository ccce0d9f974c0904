"""Calls a command like a person or a script: its output, its last line as JSON, and its exit code."""

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandError, call_command


@dataclass(frozen=True)
class Ended:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out.strip().splitlines()[-1])


def call(*words: str) -> Ended:
    """Run a command with these words. A refusal becomes an exit code, with its sentence in `err`."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(*words, stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(str(error))
    return Ended(code, out.getvalue(), err.getvalue())
