"""`signing_keys users`: the public keys that consumers elsewhere must know; and a new key in the place of the old one."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from messaging import settings
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Refused, WrongUsage, checked_context, context_argument
from messaging.transport import keys

NEXT = {
    "show": "Consumers elsewhere take what is signed with it where {variable} has it.",
    "add": "The last one doesn't sign yet. Set {variable} to all of them where consumers run; then: signing_keys {context} switch",
    "switch": "The first one signs from now on. When nothing signed with an older one waits: signing_keys {context} forget",
    "forget": "The older ones are gone. {variable} may go without them too.",
}


class Command(BaseCommand):
    help = "Print a publisher's public keys, the one that signs first. Signing keys are never printed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "whose keys")
        parser.add_argument(
            "action",
            nargs="?",
            choices=list(NEXT),
            default="show",
            help="add: make a new key beside the old one; switch: sign with the newest; forget: remove all but the one that signs",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"]).name
        try:
            self._act(context, options)
        except OSError as error:
            raise Refused(
                f"The keys of {context} can't be kept in {keys.file_of(context)}: {error.strerror}. They are as they were."
            ) from error
        except ImproperlyConfigured as error:
            raise Refused(str(error)) from error

    def _act(self, context: str, options: dict[str, Any]) -> None:
        action = options["action"]
        variable = f"{context.upper()}_PUBLIC_KEYS"
        if action != "show" and settings.signing_keys(context):
            raise Refused(
                f"The keys of {context} come from the environment: change {context.upper()}_SIGNING_KEYS, the first signs."
            )
        if action == "switch" and len(keys.signing_key_texts(context)) == 1:
            raise WrongUsage(f"{context} has one key. Make another one first: signing_keys {context} add")
        if action != "show":
            {"add": keys.add, "switch": keys.switch, "forget": keys.drop_retired}[action](context)
        public = [keys.public_text(key) for key in keys.signing_key_texts(context)]
        text = f"{variable}={','.join(public)}\n{NEXT[action].format(variable=variable, context=context)}"
        self.result(options, {"context": context, "public_keys": public}, text)
