"""The surveyed source as a whole: finds what a dotted name stands for, and which models a class belongs to."""

import ast
import inspect
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from types import ModuleType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models

from messaging.boundaries.crossings.host import Host, Source
from messaging.boundaries.crossings.scopes import Scope, inner, module_scope
from messaging.boundaries.crossings.values import Models, Outside, Own, Row, Rows, Value


class Code:
    """Every module of the surveyed apps."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.modules: dict[str, Scope] = {name: module_scope(source) for name, source in host.sources.items()}
        #: The classes and functions by their dotted names, and the scopes by their nodes.
        self.definitions: dict[str, Scope] = {}
        self.scopes: dict[ast.AST, Scope] = {}
        for module in self.modules.values():
            for scope in inner(module):
                self.definitions.setdefault(scope.name, scope)
                self.scopes[scope.node] = scope

    def of(self, source: Source) -> Scope:
        """Return the scope of a module."""
        return self.modules[source.name]

    def app_of(self, name: str) -> str | None:
        """Return the app of the module that a dotted name is in."""
        return self.host.app_of(name)

    def classes_of(self, something: type) -> Iterator[Scope]:
        """Yield the surveyed source of a class and of the classes that it inherits from, in the order of Python."""
        for each in something.__mro__:
            found = self.definitions.get(f"{each.__module__}.{each.__qualname__}")
            if found is not None:
                yield found

    def classes_of_rows(self, model: type[models.Model]) -> Iterator[Scope]:
        """Yield the surveyed source of a model's managers and querysets."""
        for manager in model._meta.managers:
            yield from self.classes_of(type(manager))
            yield from self.classes_of(getattr(manager, "_queryset_class", type(manager)))

    def own(self, scope: Scope) -> Value:
        """Return what the name of a class or function of the source stands for."""
        found = self._models.get(scope.name)
        return found if found is not None else Own(scope)

    @cached_property
    def _models(self) -> dict[str, Models]:
        return {f"{model.__module__}.{model.__qualname__}": Models((model,)) for model in apps.get_models()}

    @cached_property
    def selves(self) -> dict[str, Row | Rows]:
        """What `self` stands for in the methods of models, managers and querysets, by the dotted name of the class."""
        rows: dict[str, list[type[models.Model]]] = defaultdict(list)
        querysets: dict[str, list[type[models.Model]]] = defaultdict(list)
        for model in apps.get_models():
            for each in model.__mro__:
                rows[f"{each.__module__}.{each.__qualname__}"].append(model)
            for manager in model._meta.managers:
                for kind in (type(manager), getattr(manager, "_queryset_class", type(manager))):
                    for each in kind.__mro__:
                        known = querysets[f"{each.__module__}.{each.__qualname__}"]
                        if model not in known:
                            known.append(model)
        return {
            **{name: Rows(tuple(found)) for name, found in querysets.items()},
            **{name: Row(tuple(found)) for name, found in rows.items()},
        }

    def outside(self, name: str) -> Value:
        """Return what a dotted name stands for that isn't in the source. Nothing is imported: a module that isn't loaded is only a
        name."""
        thing = loaded(name)
        if isinstance(thing, type):
            known = self._models.get(f"{thing.__module__}.{thing.__qualname__}")
            if known is not None:
                return known
        if isinstance(thing, models.Manager) and thing.model is not None:
            return Rows((thing.model,))
        if thing is not None and not isinstance(thing, ModuleType):
            scope = self.definitions.get(f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}")
            if scope is not None:
                return self.own(scope)
        return Outside(name)


def loaded(name: str) -> Any:
    """Return the object with this dotted name, if its module is loaded; else None."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        thing: Any = sys.modules.get(".".join(parts[:end]))
        if thing is not None:
            for part in parts[end:]:
                thing = None if _is_lazy(thing) or not hasattr(thing, "__dict__") else vars(thing).get(part)
            return None if _is_lazy(thing) else thing
    return None


def _is_lazy(thing: Any) -> bool:
    """Return True for an object such as Django's `SimpleLazyObject`: to look at it would run the host's code."""
    return isinstance(inspect.getattr_static(type(thing), "__class__", None), property)


def model_named(*words: str) -> type[models.Model] | None:
    """Return the model that `"app.Model"` or `"app", "Model"` names; None if there is none."""
    label, _, name = words[0].partition(".") if len(words) == 1 else (words[0], "", words[1])
    try:
        return apps.get_model(label, name)
    except (LookupError, ValueError):
        return None


def user_model() -> type[models.Model] | None:
    """Return the model that AUTH_USER_MODEL names."""
    return model_named(settings.AUTH_USER_MODEL)
