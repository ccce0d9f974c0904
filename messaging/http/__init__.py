"""The authority's API: the feed, fingerprints, single records, and a consumer's own entry in the register.

`REST_FRAMEWORK` names classes of this package, and Django REST Framework imports those amid its own import. So the views, which
need it whole, are imported when they are asked for.
"""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern

__all__ = ["contracts_schema", "urls"]


def urls(authority: str) -> list[URLPattern]:
    """The endpoints of an authority, to be included under `api/<authority>/`."""
    from messaging.http import views

    return views.urls(authority)


def contracts_schema(context: str) -> Callable[[Any], Any]:
    """Decorate the view of a context's `contracts/` with its description in the OpenAPI schema."""
    from messaging.http import openapi

    decorate: Callable[[Any], Any] = openapi.contracts(context)
    return decorate
