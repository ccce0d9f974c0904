"""Shared by the benchmarks' command lines."""

import json
from typing import Any


def numbers(text: str) -> list[int]:
    """Read "10,100,1000" as numbers."""
    return [int(word) for word in text.split(",")]


def say(result: dict[str, Any], as_json: bool) -> None:
    """Print a result: one line of JSON for programs, or one line per value for people."""
    if as_json:
        print(json.dumps(result), flush=True)
        return
    for name, value in result.items():
        print(f"{name:>28}  {value}")
