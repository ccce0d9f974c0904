"""SVG from patterns and values: numbers are written short, and everything else is escaped."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe


def element(pattern: str, *values: Any) -> SafeString:
    """Fill a pattern's `{}` with values."""
    return format_html(pattern, *map(_short, values))


def elements(pattern: str, rows: Iterable[Sequence[Any]]) -> SafeString:
    """Fill a pattern once for each row, one after the other."""
    return mark_safe("".join(element(pattern, *row) for row in rows))  # noqa: S308  (each is escaped)


def _short(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, int | float) else value
