"""The layout of generated Python. Formatters leave it as it is, at 88 columns and at more.

A bracket is on one line if that fits into 88 columns. Else each part has a line of its own, with a comma behind the last one.
Formatters keep such a comma, and with it the lines.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import indent as _indent

WIDTH_COLUMNS = 88


def bracketed(before: str, parts: Sequence[str], after: str = "", *, brackets: str = "()", indent: int = 0) -> str:
    """A call, a literal or a list of imports.

    Parameters
    ----------
    brackets
        The two brackets, or two blanks for the names of an import, which has brackets only if it needs several lines.
    indent
        The columns before it, which the returned text doesn't have, and 1 for a comma behind it.
    """
    opening, closing = brackets[:1].strip(), brackets[1:].strip()
    one = f"{before}{opening}{', '.join(parts)}{closing}{after}"
    if "\n" not in one and indent + len(one) <= WIDTH_COLUMNS:
        return one
    lines = "".join(indented(f"{part},\n", 4) for part in parts)
    return f"{before}{opening or '('}\n{lines}{closing or ')'}{after}"


def indented(text: str, columns: int) -> str:
    """Each line of a text, with blanks in front."""
    return _indent(text, " " * columns)


def quoted(text: str) -> str:
    """A literal with double quotes, as formatters write it."""
    return f'"{text}"' if repr(text)[1:-1] == text and '"' not in text else repr(text)


def imports(names: Iterable[tuple[str, str]], folder: Path, new: Iterable[str] = ()) -> str:
    """The imports of (module, name), sorted in sections as isort and ruff do: standard library, third party, the project's own.

    Parameters
    ----------
    folder
        The project's folder. A package in it is the project's own.
    new
        Packages of the project that aren't written yet.
    """
    sections: dict[int, list[str]] = {}
    found = {(module, name) for module, name in names if module != "builtins"}
    for module in sorted({module for module, _ in found}):
        top = module.partition(".")[0]
        own = top in new or (folder / top).is_dir() or (folder / f"{top}.py").is_file()
        section = 0 if top in sys.stdlib_module_names else 2 if own else 1
        members = sorted((name for place, name in found if place == module), key=_by_type)
        sections.setdefault(section, []).append(bracketed(f"from {module} import ", members, brackets="  "))
    return "\n\n".join("\n".join(lines) for _, lines in sorted(sections.items()))


def _by_type(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name
