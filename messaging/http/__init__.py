"""The authority's API: the feed, fingerprints, single records, and a consumer's own entry in the register.

The views take nothing from the host's `REST_FRAMEWORK`. They are imported only when `urls` is called, because a project that copied
this setting from release 0.1.0 names classes of this package there. Django REST Framework imports those during its own import.
"""

from django.urls import URLPattern

from messaging import extras

__all__ = ["contracts_url", "urls"]


def urls(authority: str) -> list[URLPattern]:
    """Return the endpoints of an authority, to include under `api/<authority>/`.

    Parameters
    ----------
    authority
        A feed's name. Without such a feed the list is empty.

    Raises
    ------
    MissingExtra
        The extra `api` isn't installed.
    """
    extras.require("api")
    from messaging.http import views

    return views.urls(authority)


def contracts_url(context: str) -> URLPattern:
    """Return the endpoint `contracts/`, with the JSON Schemas of a context's events. Include it before `urls`.

    Parameters
    ----------
    context
        The context that publishes the events.

    Raises
    ------
    MissingExtra
        The extra `api` isn't installed.
    """
    extras.require("api")
    from messaging.http import views

    return views.contracts_url(context)
