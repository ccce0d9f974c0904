"""The base of the API's views. It sets all that DRF would otherwise take from the host's `REST_FRAMEWORK`."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from messaging.database.non_atomic import without_transactions
from messaging.http import errors, openapi, parsing, rendering
from messaging.http.gzip import compressed


class OwnView(APIView):
    """A view that answers the same in every project: in JSON, in English, outside the host's transactions."""

    #: The feed or context that the view serves.
    authority = ""
    #: The operation's name in the OpenAPI schema.
    operation = ""
    renderer_classes = (rendering.Json,)
    parser_classes = (parsing.Json,)
    content_negotiation_class = parsing.OnlyWhatThereIs
    authentication_classes = ()
    permission_classes = ()  # who may read what: `messaging.publisher.grants`
    throttle_classes: tuple[type[BaseThrottle], ...] = ()
    versioning_class = None
    metadata_class = None  # no answer to OPTIONS: the schema has more
    schema = openapi.Schema()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponse]:
        return without_transactions(super().as_view(**initkwargs))

    def get_exception_handler(self) -> Any:
        return errors.respond

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with translation.override(None):  # DRF's errors untranslated
            return super().dispatch(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers["Cache-Control"] = "private, no-store"  # a host's cache would answer with old pages
        answer.add_post_render_callback(_let_go)
        return compressed(answer, request)


def _let_go(answer: Response) -> None:
    """Break the reference cycle of view, request and answer, so that a sent answer is freed at once.

    Otherwise it waits for a full garbage collection, which counts objects and not bytes: with pages of 2,000 rows the web server
    grew by 20 KB a request, and by 80 MB after 4,000.
    """
    context = answer.renderer_context
    del context["response"]
    context["view"].response = None
