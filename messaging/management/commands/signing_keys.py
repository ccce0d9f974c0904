"""`signing_keys users`: print the public keys that consumers in other processes need, or replace the key."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from messaging import extras, settings
from messaging.management.base import Command as BaseCommand
from messaging.management.base import Refused, WrongUsage, checked_context, context_argument

NEXT = {
    "show": "Set {variable} to this in other processes whose consumers receive messages from {context}.",
    "add": "The new key is the last one and doesn't sign yet. Set {variable} to all keys where consumers run. Then: "
    "manage.py signing_keys {context} switch",
    "switch": "The first key signs from now on. When no message signed with an older one waits: "
    "manage.py signing_keys {context} forget",
    "forget": "The older keys are removed. Remove them from {variable} too.",
}


class Command(BaseCommand):
    help = "Print a publisher's public keys; the first one belongs to the key that signs. Private keys are never printed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        context_argument(parser, "context", "the publisher")
        parser.add_argument(
            "action",
            nargs="?",
            choices=list(NEXT),
            default="show",
            help="show (default); add: create a new key in addition to the old one; switch: sign with the newest key; "
            "forget: remove all keys except the one that signs",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        context = checked_context(options["context"]).name
        extras.require("signing")
        try:
            self._act(context, options)
        except OSError as error:
            raise Refused(
                f"The keys of {context} can't be saved in {settings.key_folder() / context}: {error.strerror}. They are unchanged."
            ) from error
        except ImproperlyConfigured as error:
            raise Refused(str(error)) from error

    def _act(self, context: str, options: dict[str, Any]) -> None:
        from messaging.transport import keys  # needs the extra

        action = options["action"]
        variable = f"{context.upper()}_PUBLIC_KEYS"
        if action != "show" and settings.signing_keys(context):
            raise Refused(
                f"The keys of {context} come from the environment. Change {context.upper()}_SIGNING_KEYS; its first key signs."
            )
        if action == "switch" and len(keys.signing_key_texts(context)) == 1:
            raise WrongUsage(f"{context} has only one key. Create another one first: manage.py signing_keys {context} add")
        if action != "show":
            {"add": keys.add, "switch": keys.switch, "forget": keys.drop_retired}[action](context)
        public = [keys.public_text(key) for key in keys.signing_key_texts(context)]
        text = f"{variable}={','.join(public)}\n{NEXT[action].format(variable=variable, context=context)}"
        self.result(options, {"context": context, "public_keys": public}, text)
