"""Imports from one app's modules into another's. grimp reads them."""

import ast
from collections.abc import Iterator

import grimp
from grimp.exceptions import GrimpException

from messaging.boundaries.crossings.crossing import Crossing, SurveyError
from messaging.boundaries.crossings.host import Host, Source


def imports(host: Host) -> Iterator[Crossing]:
    """Yield each import, also those in functions. Imports that only type checkers read are marked."""
    roots = sorted({name.partition(".")[0] for name in host.sources})
    if not roots:
        return
    try:
        graph = grimp.build_graph(roots[0], *roots[1:], cache_dir=None)
    except GrimpException as error:
        raise SurveyError(f"The imports of {', '.join(roots)} can't be read: {error}. Correct that, then try again.") from None
    for name, source in host.sources.items():
        if name not in graph.modules:
            continue
        typing: set[int] | None = None
        for imported in sorted(graph.find_modules_directly_imported_by(name)):
            app = host.app_of(imported)
            if app is None or app == source.app or app not in host.labels or imported not in host.sources:
                continue
            typing = _typing_lines(source) if typing is None else typing
            for details in graph.get_import_details(importer=name, imported=imported):
                line = details["line_number"]
                what = f"{imported} (only for types)" if line in typing else imported
                yield Crossing("import", source.app, app, source.path, line, what)


def _typing_lines(source: Source) -> set[int]:
    """Return the lines below `if TYPE_CHECKING:`."""
    found: set[int] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in (getattr(node.test, "id", ""), getattr(node.test, "attr", "")):
            for each in node.body:
                found.update(range(each.lineno, (each.end_lineno or each.lineno) + 1))
    return found
