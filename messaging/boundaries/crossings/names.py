"""Models, modules and apps that code names in a string: `get_model("orders", "Order")`, `"orders.tasks.export"`."""

import ast
import re
from collections.abc import Iterable

from messaging.boundaries.crossings.code import Code, model_named, user_model
from messaging.boundaries.crossings.crossing import Crossing
from messaging.boundaries.crossings.following import called
from messaging.boundaries.crossings.walker import Kind, Place

DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
#: A field that leads to another app is a crossing of its own kind. So is a signal's sender.
FIELDS = re.compile(r"(Key|Field|Relation|^receiver|^connect)$")
GET_MODEL = {"get_model", "get_registered_model"}


def names(code: Code) -> Kind:
    """Return the kind that finds names in strings."""
    quiet: set[int] = set()

    def find(node: ast.AST, place: Place) -> Iterable[Crossing]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            quiet.add(id(node.value))  # a docstring
        elif isinstance(node, ast.Call):
            name, words = called(node), _words(node)
            if name in GET_MODEL and words:
                quiet.update(map(id, node.args))
                yield from _model(node, words, place)
            elif name == "get_user_model":
                user = user_model()
                yield from place.crossing("name", user._meta.app_label if user else None, node.lineno, "get_user_model()")
            elif name == "get_app_config" and words:
                yield from place.crossing("name", words[0], node.lineno, f"get_app_config({words[0]})")
            elif FIELDS.search(name):
                quiet.update(id(each) for each in ast.walk(node) if isinstance(each, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in quiet:
            yield from _dotted(node, node.value, place, code)

    return find


def _words(node: ast.Call) -> list[str]:
    return [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)][:2]


def _model(node: ast.Call, words: list[str], place: Place) -> Iterable[Crossing]:
    model = model_named(*words)
    if model is not None:
        yield from place.crossing("name", model._meta.app_label, node.lineno, f"get_model: {model._meta.label}")


def _dotted(node: ast.Constant, text: str, place: Place, code: Code) -> Iterable[Crossing]:
    if not DOTTED.fullmatch(text):
        return
    model = model_named(text) if text.count(".") == 1 else None
    # Written as the model's class is: "orders.order" is often the name of something else, such as a queue.
    if model is not None and text == model._meta.label:
        yield from place.crossing("name", model._meta.app_label, node.lineno, f'"{text}"')
    elif _is_code(text, code):
        yield from place.crossing("name", code.app_of(text), node.lineno, f'"{text}"')


def _is_code(text: str, code: Code) -> bool:
    """Return True if this is a module of the surveyed apps, or something in one."""
    module, _, name = text.rpartition(".")
    if text in code.modules:
        return True
    scope = code.modules.get(module)
    if scope is not None:
        return name in scope.definitions or name in scope.expressions or name in scope.imports
    return module in code.definitions  # an attribute of a class
