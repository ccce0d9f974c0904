"""The boundaries as Django system checks, so that `manage.py check`, `migrate` and `runserver` refuse a crossing.

`boundaries.E001` is a relation between databases, `boundaries.E002` is code that reaches into another context.
"""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register

from config import boundaries


@register(Tags.models, "boundaries")
def relations_stay_inside(**kwargs: Any) -> list[CheckMessage]:
    """Every relation field stays in its own model's database."""
    return [_error(finding, "boundaries.E001") for finding in boundaries.crossing_relations()]


@register(Tags.models, "boundaries")
def code_stays_inside(**kwargs: Any) -> list[CheckMessage]:
    """No context's source names another context's models, modules, database or tables."""
    return [_error(finding, "boundaries.E002") for finding in boundaries.crossing_code()]


def _error(finding: boundaries.Finding, check_id: str) -> Error:
    return Error(finding.message, hint=finding.hint, obj=finding.where, id=check_id)
