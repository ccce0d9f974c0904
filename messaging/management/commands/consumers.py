"""`consumers register billing --to users`, `list`, `revoke`: the authority's register."""

from argparse import SUPPRESS, ArgumentParser
from typing import Any

from rich.table import Table

from messaging import conf, registry
from messaging.cli import Command as BaseCommand
from messaging.cli import WrongUsage, checked_context
from messaging.console import show
from messaging.models import Consumer


class Command(BaseCommand):
    help = "Who gets copies of an authority's events, and with which fields."

    def add_arguments(self, parser: ArgumentParser) -> None:
        # `--json` may stand before the action or behind it; SUPPRESS keeps the second parser from resetting the first one's.
        actions = parser.add_subparsers(dest="action", required=True, metavar="register|list|revoke")
        register = actions.add_parser("register", help="enter a consumer, or change its entry")
        register.add_argument("name", help="the consumer's context; its queue has the same name")
        register.add_argument("--to", required=True, metavar="AUTHORITY", help=f"one of {', '.join(conf.contexts())}")
        register.add_argument("--fields", help="fields of the data that its copies hold, comma-separated; by default what it reads")
        register.add_argument("--types", help="event types it gets, comma-separated; by default what it handles")
        listing = actions.add_parser("list", help="show the register of every authority in this process")
        revoke = actions.add_parser("revoke", help="take a consumer out; it gets no more copies")
        revoke.add_argument("name")
        revoke.add_argument("--from", required=True, dest="authority", metavar="AUTHORITY")
        for action in (register, listing, revoke):
            action.add_argument("--json", action="store_true", default=SUPPRESS, help="print one machine-readable object")

    def handle(self, *args: Any, **options: Any) -> None:
        {"register": self._register, "list": self._list, "revoke": self._revoke}[options["action"]](options)

    def _register(self, options: dict[str, Any]) -> None:
        authority, name = checked_context(options["to"]), options["name"]
        types, fields = _words(options["types"]), _words(options["fields"])
        if types is None or fields is None:
            own = registry.wanted(name, authority)
            if own is None:
                raise WrongUsage(
                    f"{name} doesn't run in this process, so what it reads isn't known here. "
                    "Say it: --types users.user.created.v1,… --fields status,…"
                )
            types = own[0] if types is None else types
            fields = own[1] if fields is None else fields
        try:
            consumer = registry.register_consumer(authority=authority, name=name, types=types, fields=fields)
        except registry.InvalidConsumer as error:
            raise WrongUsage(str(error)) from None
        text = f"{name} gets {len(consumer.types)} event types of {authority}, with the fields {', '.join(consumer.fields)}."
        self.result(options, _values(authority, consumer), text)

    def _list(self, options: dict[str, Any]) -> None:
        rows = [(authority, consumer) for authority in conf.contexts() for consumer in registry.registered(authority)]
        if options["json"]:
            self.result(options, {"consumers": [_values(*row) for row in rows]}, "")
            return
        if not rows:
            self.stdout.write("Nobody is registered. To change that: consumers register billing --to users")
            return
        table = Table("authority", "consumer", "fields", "event types")
        for authority, consumer in rows:
            table.add_row(authority, consumer.name, ", ".join(consumer.fields), "\n".join(consumer.types))
        show(self.stdout, table)  # type: ignore[arg-type]  # it writes, which is all that is asked of it

    def _revoke(self, options: dict[str, Any]) -> None:
        authority, name = checked_context(options["authority"]), options["name"]
        if not registry.revoke_consumer(authority=authority, name=name):
            raise WrongUsage(f"{name} is not registered with {authority}. Who is: consumers list")
        values = {"consumer": name, "authority": authority, "revoked": True}
        self.result(options, values, f"{name} is out of the register of {authority}, and gets no more copies.")


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _values(authority: str, consumer: Consumer) -> dict[str, Any]:
    return {
        "consumer": consumer.name,
        "authority": authority,
        "queue": consumer.queue,
        "types": consumer.types,
        "fields": consumer.fields,
    }
