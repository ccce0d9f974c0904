"""Code that makes a row of any model, for a test: only the fields without which it couldn't be saved."""

from typing import Any

from django.db import models

from messaging.management.scaffold.layout import bracketed, quoted

#: A value for a field that needs one, as code. The first class that fits counts.
VALUES: list[tuple[type["models.Field[Any, Any]"], str]] = [
    (models.DateTimeField, '"2026-01-01T00:00:00Z"'),
    (models.DateField, '"2026-01-01"'),
    (models.TimeField, '"00:00"'),
    (models.DurationField, "timedelta(1)"),
    (models.BooleanField, "False"),
    (models.IntegerField, "1"),
    (models.DecimalField, '"1"'),
    (models.FloatField, "1.0"),
    (models.UUIDField, '"00000000-0000-0000-0000-000000000001"'),
    (models.GenericIPAddressField, '"127.0.0.1"'),
    (models.JSONField, "{}"),
    (models.BinaryField, 'b""'),
]
#: Stands for a value that only a person can choose.
UNKNOWN = "..."


class Sample:
    """The code for one row, with the rows that it points to."""

    def __init__(self) -> None:
        self.imports: set[tuple[str, str]] = set()  #: (module, name) of the models, and what their values need
        self.unknown: list[str] = []  #: the fields that a person has to fill in

    def create(self, model: type[models.Model], before: str, indent: int, within: tuple[type[models.Model], ...] = ()) -> str:
        """A call that creates a row. `before`: what stands in front of it; `within`: the models whose rows it is part of."""
        self.imports.add((model.__module__, model.__name__))
        manager = "objects" if isinstance(getattr(model, "objects", None), models.Manager) else "_default_manager"
        values = [self._value(field, indent + 5, (*within, model)) for field in model._meta.concrete_fields if _is_needed(field)]
        return bracketed(f"{before}{model.__name__}.{manager}.create", values, indent=indent)

    def _value(self, field: "models.Field[Any, Any]", indent: int, within: tuple[type[models.Model], ...]) -> str:
        if isinstance(field, models.ForeignKey):
            target = field.related_model
            same_name = {name for module, name in self.imports if module != target.__module__}
            if target not in within and target.__name__ not in same_name:
                return self.create(target, f"{field.name}=", indent, within)
        elif field.choices:
            first = next((value for value, _ in field.flatchoices if value not in (None, "")), None)
            if first is not None:
                return f"{field.name}={quoted(first) if isinstance(first, str) else repr(first)}"
        elif isinstance(field, models.CharField | models.TextField):
            return f'{field.name}="a"'
        for kind, value in VALUES:
            if isinstance(field, kind):
                if value.startswith("timedelta"):
                    self.imports.add(("datetime", "timedelta"))
                return f"{field.name}={value}"
        self.unknown.append(f"{field.model._meta.label}.{field.name}")
        return f"{field.name}={UNKNOWN}"


def _is_needed(field: "models.Field[Any, Any]") -> bool:
    """Return True if a row can't be saved without a value. A text is empty without one, so only a unique text needs it."""
    filled = any(getattr(field, name, False) for name in ("auto_now", "auto_now_add", "generated"))
    parent = getattr(field.remote_field, "parent_link", False)
    if field.has_default() or field.null or isinstance(field, models.AutoField) or filled or parent:
        return False
    return not field.empty_strings_allowed or field.unique or isinstance(field, models.ForeignKey)
