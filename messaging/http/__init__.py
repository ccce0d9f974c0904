"""The authority's API: the feed, fingerprints, single records, and a consumer's own entry in the register.

Django REST Framework imports classes of this package, named in `REST_FRAMEWORK`, during its own import. So the views, which need a
complete REST framework, are imported only when `urls` is called.
"""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern

__all__ = ["contracts_schema", "urls"]


def urls(authority: str) -> list[URLPattern]:
    """Return the endpoints of an authority, to include under `api/<authority>/`.

    Parameters
    ----------
    authority
        A feed's name. Without such a feed the list is empty.
    """
    from messaging.http import views

    return views.urls(authority)


def contracts_schema(context: str) -> Callable[[Any], Any]:
    """Return a decorator that describes the view of a context's `contracts/` in the OpenAPI schema."""
    from messaging.http import openapi

    decorate: Callable[[Any], Any] = openapi.contracts(context)
    return decorate
