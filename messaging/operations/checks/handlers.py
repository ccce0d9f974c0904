"""A context's handlers, and the keys of those that publish to it."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register

from messaging import settings
from messaging.consumer.cache import declared_caches
from messaging.consumer.handlers import Handler, table
from messaging.operations.checks import declared
from messaging.transport import signing


@register("messaging")
def handlers_are_wired(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.E001: a context's handlers or copies can't be loaded, or one of its handlers isn't one."""
    found: list[CheckMessage] = []
    for context in settings.contexts():
        try:
            wrong = [name for name, handler in table(context).items() if not isinstance(handler, Handler)]
        except (ImportError, AttributeError, KeyError) as error:
            hint = "Correct the context's handlers in the setting MESSAGING, or its module."
            found.append(Error(f"The handlers of {context} can't be loaded: {error}", hint=hint, id="messaging.E001"))
        else:
            found += [
                Error(
                    f"The entry of {context} for {name} isn't a Handler.",
                    hint="Use messaging.consumer.Handler.",
                    id="messaging.E001",
                )
                for name in wrong
            ]
        try:
            declared_caches(context)
        except (ImportError, AttributeError) as error:
            hint = "Correct the context's copies in the setting MESSAGING, or its module."
            found.append(Error(f"The copies of {context} can't be loaded: {error}", hint=hint, id="messaging.E001"))
    return found


@register(Tags.database)
def publishers_are_known(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> Sequence[CheckMessage]:
    """messaging.W002: a consumer can't check a publisher's signatures, so each of its messages would be parked."""
    found: list[CheckMessage] = []
    for name in declared.contexts(databases or ()):
        for publisher in sorted({wire.partition(".")[0] for wire in declared.handled(name)}):
            if problem := signing.problem(name, publisher):
                why, hint = problem
                found.append(Warning(why, hint=hint, id="messaging.W002"))
    return found
