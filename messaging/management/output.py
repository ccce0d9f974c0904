"""Tables for a person at a terminal."""

import os
from typing import IO, Any, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from messaging.events.text import printable

#: The width without a terminal, so that lines in scripts and logs don't break early.
WIDTH_COLUMNS = 160


def show(stream: Any, table: Table) -> None:
    """Print a table to a command's `self.stdout`, as wide as the terminal or as `COLUMNS`."""
    Console(file=cast(IO[str], stream), width=None if stream.isatty() or "COLUMNS" in os.environ else WIDTH_COLUMNS).print(table)


def shown(value: Any) -> Text:
    """Make a table's cell. Another program's text must not control the terminal or be read as Rich's markup."""
    return Text(printable(str(value)))
