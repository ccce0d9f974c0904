"""The pages as a site: `sphinx-build docs var/docs`, a step of `make check`. Nothing is asked of the network.

The pages are plain Markdown that reads the same in the repository. Two things differ there: a page that lists others is their table
of contents, and links may lead out of `docs/`, to source files. `setup` takes care of both.
"""

import os
import re
from pathlib import Path
from typing import Any

from sphinx import addnodes

project = "Bounded contexts"
extensions = ["myst_parser"]
root_doc = "index"
html_theme = "furo"
html_title = project
html_copy_source = False
myst_heading_anchors = 4

#: Pages that list others.
CONTENTS = ("index", "decisions/README")
PAGE = re.compile(r"\]\(([\w/-]+)\.md\)")


def add_contents(app: Any, page: str, source: list[str]) -> None:
    """Make the pages that a list links to its table of contents, a part for each heading."""
    if page not in CONTENTS:
        return
    parts = re.split(r"^## (.+)$", source[0], flags=re.MULTILINE)
    for caption, text in zip(["", *parts[1::2]], parts[::2], strict=True):
        pages = "\n".join(PAGE.findall(text))
        if pages:
            title = f":caption: {caption}\n" if caption else ""
            source[0] += f"\n\n```{{toctree}}\n:hidden:\n{title}\n{pages}\n```\n"


def link_files(app: Any, tree: Any) -> None:
    """Let a link to a Markdown file outside of the site give the file, as links to other files do, and one to a folder be words. A
    path that isn't there stays a warning."""
    for link in list(tree.findall(addnodes.pending_xref)):
        folder = Path(app.env.doc2path(link["refdoc"])).parent
        if link.get("refdomain") != "doc":
            if (folder / link["reftarget"]).is_dir():
                link.replace_self(link.children)
        elif link["reftarget"] not in app.env.found_docs:
            path = os.path.relpath(f"{link['reftarget']}.md", folder)
            link.replace_self(addnodes.download_reference("", "", *link.children, reftarget=path, refdoc=link["refdoc"]))


def setup(app: Any) -> None:
    app.connect("source-read", add_contents)
    app.connect("doctree-read", link_files, priority=100)  # before Sphinx collects the files to copy
