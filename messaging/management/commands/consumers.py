"""`consumers register billing --to users`, `open`, `close`, `list`, `revoke`: the authority's register."""

from argparse import SUPPRESS, ArgumentParser
from datetime import timedelta
from typing import Any

from rich.table import Table
from rich.text import Text

from messaging import settings
from messaging.consumer import handlers
from messaging.errors import InvalidConsumer, NotRegistered
from messaging.events.text import plural
from messaging.management.base import Command as BaseCommand
from messaging.management.base import WrongUsage, checked_context, database_errors_as_refusals, duration, lifetime
from messaging.management.output import show, shown
from messaging.models import Consumer
from messaging.publisher import consumers, grants

TOKEN_TTL, GRANT_TTL = "365d", "1h"


class Command(BaseCommand):
    help = (
        "Manage the consumers of an authority: which events and fields each one gets, its token, and whether it may bootstrap. "
        "Each action has its own --help."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="register|open|close|list|revoke")
        added = {
            name: actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
            for name, text in (
                ("register", "add a consumer and print its token, or change its entry"),
                ("open", "give a consumer a grant: it may bootstrap for a limited time"),
                ("close", "end a consumer's grant to bootstrap"),
                ("list", "show the consumers of every authority in this process"),
                ("revoke", "remove a consumer: it gets no more events, and its token is invalid"),
            )
        }
        register = added["register"]
        register.add_argument("--fields", metavar="A,B", help="fields of the events' data to send (default: those that it reads)")
        register.add_argument("--types", metavar="A,B", help="event types to send (default: those that it handles)")
        register.add_argument("--owners", metavar="A,B", help="e-mail addresses to notify of repairs")
        register.add_argument("--staleness", metavar="TIME", help="how old its copy may be for its decisions (default 15m)")
        register.add_argument("--ttl", metavar="TIME", help=f"how long its token is valid from now (default {TOKEN_TTL})")
        register.add_argument("--new-token", action="store_true", help="replace its token")
        how_long = "how long, as 90s, 15m or 1h (default %(default)s)"
        added["open"].add_argument("--ttl", metavar="TIME", default=GRANT_TTL, help=how_long)
        for name, action in added.items():
            if name != "list":
                words = f"one of {', '.join(settings.contexts())} (default: the authority that has this consumer)"
                action.add_argument("name", help="the consumer's context, which is also the name of its queue")
                action.add_argument("--to", "--from", dest="authority", metavar="AUTHORITY", help=words)
            # `--json` may come before or after the action; SUPPRESS keeps this parser from resetting the first one's.
            action.add_argument("--json", action="store_true", default=SUPPRESS, help="print the result as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        act = {"register": self._register, "open": self._open, "close": self._close, "list": self._list, "revoke": self._revoke}
        named = options.get("authority")
        asked = [checked_context(named)] if named else settings.contexts().values()
        with database_errors_as_refusals(*(context.alias for context in asked)):
            act[options["action"]](options)

    def _register(self, options: dict[str, Any]) -> None:
        authority, name = _authority(options), options["name"]
        ttl = lifetime(options["ttl"]) if options["ttl"] else None
        types, fields = _words(options["types"]), _words(options["fields"])
        if types is None or fields is None:
            own = handlers.wanted(name, authority)
            if own is None:
                raise WrongUsage(
                    f"{name} doesn't run in this process, so its event types and fields aren't known here. "
                    "Name them: --types users.user.created.v1,… --fields status,…"
                )
            types = own[0] if types is None else types
            fields = own[1] if fields is None else fields
        try:
            consumers.must_be_published(authority, types, fields)
            lacking = [field for field in consumers.needed(name, authority) if field not in fields]
            if lacking:
                raise WrongUsage(
                    f"{name} can't read events without {', '.join(lacking)}. Add {'it' if len(lacking) == 1 else 'them'} to "
                    "--fields, or omit --fields to send all fields that it reads."
                )
            consumer = consumers.register_consumer(
                authority=authority,
                name=name,
                types=types,
                fields=fields,
                owners=_words(options["owners"]),
                staleness=duration(options["staleness"], "--staleness") if options["staleness"] else None,
            )
        except InvalidConsumer as error:
            raise WrongUsage(str(error)) from None
        token, file, said = self._token(authority, consumer, ttl, replace=options["new_token"])
        consumer.refresh_from_db()
        number = plural(len(consumer.types), "event type")
        text = f"{name} gets {number} from {authority}, with the fields {', '.join(consumer.fields)}.\n{said}"
        self.result(options, {**_values(authority, consumer), "token": token, "token_file": file}, text)

    def _token(
        self, authority: str, consumer: Consumer, ttl: timedelta | None, replace: bool
    ) -> tuple[str | None, str | None, str]:
        """Issue a token if it needs one. Returns the new token and the file that keeps it (or None), and a sentence about them."""
        name = consumer.name
        if consumer.token_hash and not replace:
            if ttl is not None:
                consumers.prolong_token(authority=authority, name=name, ttl=ttl)
            return (
                None,
                None,
                f"It keeps its token{f', valid for {_span(ttl)} from now' if ttl else ''}. To replace it: --new-token",
            )
        token = consumers.issue_token(authority=authority, name=name, ttl=ttl or lifetime(TOKEN_TTL))
        said = f"Its token, valid for {_span(ttl or lifetime(TOKEN_TTL))}: {token}\nIt isn't printed again."
        try:
            file = consumers.keep_token(consumer=name, authority=authority, token=token)
        except OSError as error:
            self.stderr.write(
                f"{name}'s token can't be saved here: {error}. Store it for MESSAGING['API_TOKEN'] where {name} runs."
            )
            return token, None, said
        if file is None:
            return token, None, f"{said}\n{name} doesn't run here. Store the token for MESSAGING['API_TOKEN'] where it runs."
        return token, str(file), f"{said}\nIt is saved for {name} in {file}."

    def _open(self, options: dict[str, Any]) -> None:
        authority, name, ttl = _authority(options), options["name"], lifetime(options["ttl"])
        try:
            consumer = consumers.open_bootstrap(authority=authority, name=name, ttl=ttl)
        except NotRegistered as error:
            raise WrongUsage(str(error)) from None
        text = f"{name} may bootstrap from {authority} for {_span(ttl)}. Next: manage.py bootstrap {name} --from {authority}"
        self.result(options, _values(authority, consumer), text)

    def _close(self, options: dict[str, Any]) -> None:
        authority, name = _authority(options), options["name"]
        try:
            consumer = consumers.close_bootstrap(authority=authority, name=name)
        except NotRegistered as error:
            raise WrongUsage(str(error)) from None
        rest = (
            f"It may still read changes after position {consumer.bootstrapped_to}"
            if grants.went_live(consumer)
            else "It was never live, so it can't read the feed"
        )
        text = f"{name} can no longer bootstrap from {authority}. {rest}."
        self.result(options, _values(authority, consumer), text)

    def _list(self, options: dict[str, Any]) -> None:
        rows = []
        for authority, context in settings.contexts().items():
            with database_errors_as_refusals(context.alias):
                rows += [(authority, consumer) for consumer in consumers.registered(authority)]
        if options["json"]:
            self.result(options, {"consumers": [_values(*row) for row in rows]}, "")
            return
        if not rows:
            self.stdout.write("There are no consumers. To add one: manage.py consumers register billing --to users")
            return
        table = Table("authority", "consumer", "fields", "event types", "grant", "token until", "checkpoint", "may be stale")
        for authority, consumer in rows:
            table.add_row(
                authority,
                shown(consumer.name),
                Text("\n").join(map(shown, consumer.fields)),
                Text("\n").join(map(shown, consumer.types)),
                grants.grant_in_words(consumer),
                f"{consumer.token_expires_at:%Y-%m-%d %H:%M}" if consumer.token_hash and consumer.token_expires_at else "no token",
                "never reported" if consumer.checkpoint is None else str(consumer.checkpoint),
                _span(timedelta(seconds=consumer.staleness_seconds)),
            )
        show(self.stdout, table)  # type: ignore[arg-type]  # only its `write` is used

    def _revoke(self, options: dict[str, Any]) -> None:
        authority, name = _authority(options), options["name"]
        if not consumers.revoke_consumer(authority=authority, name=name):
            raise WrongUsage(f"{name} isn't registered with {authority}. To see who is: manage.py consumers list")
        values = {"consumer": name, "authority": authority, "revoked": True}
        text = f"{name} is no longer registered with {authority}: it gets no more events, and its token is invalid."
        self.result(options, values, text)


def _authority(options: dict[str, Any]) -> str:
    """Return the named authority, or else the only one that has the consumer."""
    if options["authority"]:
        return checked_context(options["authority"]).name
    name = options["name"]
    here = settings.contexts().values()
    known = [context.name for context in here if Consumer.objects.of(context.alias).filter(name=name).exists()]
    if len(known) == 1:
        return known[0]
    why = f"{name} is registered with {' and '.join(known)}" if known else f"No authority in this process knows {name}"
    others = [context for context in settings.contexts() if context != name]
    raise WrongUsage(f"{why}. Name one: --to {'|'.join(known or others)}")


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _span(time: timedelta) -> str:
    """Write a duration as the commands take it: 90s, 15m, 1h, 30d."""
    seconds = int(time.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _values(authority: str, consumer: Consumer) -> dict[str, Any]:
    """Return an entry for `--json`, without its token, which is printed only when it is issued."""
    return {
        "consumer": consumer.name,
        "authority": authority,
        "queue": consumer.queue,
        "types": consumer.types,
        "fields": consumer.fields,
        "owners": consumer.owners,
        "staleness_seconds": consumer.staleness_seconds,
        "token_expires_at": consumer.token_expires_at,
        "bootstrap": grants.grant(consumer),
        "bootstrap_closes_at": consumer.bootstrap_closes_at,
        "bootstrapped_to": consumer.bootstrapped_to,
        "checkpoint": consumer.checkpoint,
        "reported_at": consumer.reported_at,
    }
