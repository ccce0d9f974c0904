"""A chapter's texts and code as HTML, by markdown-it and Pygments, which rich already requires."""

import re

from django import template
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound

register = template.Library()
_markdown = MarkdownIt("commonmark", {"html": False})
#: The target of a link from one chapter's file to another chapter's file.
CHAPTER_FILE = re.compile(r"(?<=\]\()\.\./c(\d\d)_\w+/chapter\.md(?=\))")
_formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True)


@register.filter
def prose(text: str) -> SafeString:
    """Paragraphs and lists. A link to a chapter's file leads to the chapter's page."""
    return mark_safe(_markdown.render(CHAPTER_FILE.sub(_page, text)))  # noqa: S308  (our own texts; HTML in them is escaped)


@register.filter
def phrase(text: str) -> SafeString:
    """A sentence or two, without a paragraph around them."""
    return mark_safe(_markdown.renderInline(CHAPTER_FILE.sub(_page, text)))  # noqa: S308  (as above)


@register.filter
def code(text: str, path: str) -> SafeString:
    """Source code, highlighted for the file's type. Each line is a block that knows its depth, so that a long one wraps."""
    try:
        lexer = get_lexer_for_filename(path, stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_for_filename("plain.txt", stripnl=False)
    marked = highlight(text, lexer, _formatter).splitlines()
    depths = [(len(line) - len(line.lstrip())) // 2 for line in text.splitlines()]
    lines = [f'<span class="line d{depth}">{line}</span>' for depth, line in zip(depths, marked, strict=True)]
    return mark_safe("".join(lines))  # noqa: S308  (Pygments escapes it)


def _page(found: re.Match[str]) -> str:
    return reverse("walkthrough:chapter", args=[int(found[1])])
