"""A chapter's texts and code as HTML: markdown-it and Pygments, which rich brings along and the terminal uses too."""

import re
from textwrap import dedent

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
_formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True)


@register.filter
def prose(text: str) -> SafeString:
    """Paragraphs. `[words](5)` leads to chapter 5."""
    linked = re.sub(r"\]\((\d+)\)", lambda found: f"]({reverse('walkthrough:chapter', args=[int(found[1])])})", dedent(text))
    return mark_safe(_markdown.render(linked.strip()))  # noqa: S308  (our own texts; HTML in them is escaped)


@register.filter
def phrase(text: str) -> SafeString:
    """One sentence or a few, without a paragraph around them."""
    return mark_safe(_markdown.renderInline(text))  # noqa: S308  (as above)


@register.filter
def code(text: str, path: str) -> SafeString:
    """Source with its words marked, by the file's kind."""
    try:
        lexer = get_lexer_for_filename(path)
    except ClassNotFound:
        lexer = get_lexer_for_filename("plain.txt")
    return mark_safe(highlight(text, lexer, _formatter))  # noqa: S308  (Pygments escapes it)
