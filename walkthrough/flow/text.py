"""Measures texts, so that every text of the picture fits into its place."""

from collections.abc import Sequence

#: The size of the picture's smallest text.
TEXT = 13
#: Widths of DejaVu Sans, the widest common font for pages, as a share of the text's size.
_GROUPS = {
    0.28: "ijl",
    0.34: " .,:;'!|fI-()",
    0.42: "rt",
    0.53: "szc",
    0.6: "aekovxyJ",
    0.64: "bdghnpqu0123456789?",
    0.84: "wM≠=+",
    0.98: "mW…%",
}
WIDTHS = {character: width for width, characters in _GROUPS.items() for character in characters}
OTHERS, BOLD = 0.7, 1.1


def width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a text in pixels, a little too large for most fonts."""
    return sum(WIDTHS.get(character, OTHERS) for character in text) * size * (BOLD if bold else 1)


def fitting(forms: Sequence[str], room: float, size: float, *, bold: bool = False) -> str:
    """Return the first form that fits. If none fits, cut the last one."""
    for form in forms:
        if width(form, size, bold=bold) <= room:
            return form
    cut = forms[-1] if forms else ""
    while cut and width(f"{cut}…", size, bold=bold) > room:
        cut = cut[:-1]
    return f"{cut.rstrip()}…" if cut else ""
