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
    help = "Who gets copies of an authority's events, with which fields, by which token, and who may bootstrap."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="register|open|close|list|revoke")
        register = actions.add_parser("register", help="enter a consumer and print its token, or change its entry")
        register.add_argument("name", help="the consumer's context; its queue has the same name")
        register.add_argument("--fields", help="fields of the data that its copies hold, comma-separated; by default what it reads")
        register.add_argument("--types", help="event types it gets, comma-separated; by default what it handles")
        register.add_argument("--owners", help="e-mail addresses that hear of repairs, comma-separated")
        register.add_argument("--staleness", metavar="TIME", help="how old its copy may be for its decisions, as 15m (the default)")
        register.add_argument("--ttl", metavar="TIME", help=f"how long its token is valid from now, as 30d (default {TOKEN_TTL})")
        register.add_argument("--new-token", action="store_true", help="replace the token that it has")
        opening = actions.add_parser("open", help="let a consumer bootstrap, for a while")
        opening.add_argument("name")
        opening.add_argument("--ttl", metavar="TIME", default=GRANT_TTL, help=f"how long, as 90s, 15m or 1h (default {GRANT_TTL})")
        closing = actions.add_parser("close", help="end a consumer's permission to bootstrap")
        closing.add_argument("name")
        listing = actions.add_parser("list", help="show the register of every authority in this process")
        revoke = actions.add_parser("revoke", help="take a consumer out: no more copies, and its token opens nothing")
        revoke.add_argument("name")
        for action in (register, opening, closing, revoke):
            words = f"one of {', '.join(settings.contexts())}; by default the one that knows the consumer"
            action.add_argument("--to", "--from", dest="authority", metavar="AUTHORITY", help=words)
        for action in (register, opening, closing, listing, revoke):
            # `--json` may stand before the action or behind it; SUPPRESS keeps this parser from resetting the first one's.
            action.add_argument("--json", action="store_true", default=SUPPRESS, help="print one machine-readable object")

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
                    f"{name} doesn't run in this process, so what it reads isn't known here. "
                    "Say it: --types users.user.created.v1,… --fields status,…"
                )
            types = own[0] if types is None else types
            fields = own[1] if fields is None else fields
        try:
            consumers.must_be_published(authority, types, fields)
            lacking = [field for field in consumers.needed(name, authority) if field not in fields]
            if lacking:
                raise WrongUsage(
                    f"{name} can't read copies without {', '.join(lacking)}. Add {'it' if len(lacking) == 1 else 'them'} to "
                    "--fields, or leave --fields out: then it gets what it reads."
                )
            consumer = consumers.register_consumer(
                authority=authority,
                name=name,
                types=types,
                fields=fields,
                owners=_words(options["owners"]),
                staleness=duration(options["staleness"]) if options["staleness"] else None,
            )
        except InvalidConsumer as error:
            raise WrongUsage(str(error)) from None
        token, file, said = self._token(authority, consumer, ttl, replace=options["new_token"])
        consumer.refresh_from_db()
        number = plural(len(consumer.types), "event type")
        text = f"{name} gets {number} of {authority}, with the fields {', '.join(consumer.fields)}.\n{said}"
        self.result(options, {**_values(authority, consumer), "token": token, "token_file": file}, text)

    def _token(
        self, authority: str, consumer: Consumer, ttl: timedelta | None, replace: bool
    ) -> tuple[str | None, str | None, str]:
        """(a new token, the file that it is kept in, what to say of it); None where there is none."""
        name = consumer.name
        if consumer.token_hash and not replace:
            if ttl is not None:
                consumers.prolong_token(authority=authority, name=name, ttl=ttl)
            return None, None, f"It keeps its token{f', valid for {_span(ttl)} from now' if ttl else ''}. For another: --new-token"
        token = consumers.issue_token(authority=authority, name=name, ttl=ttl or lifetime(TOKEN_TTL))
        said = f"Its token, valid for {_span(ttl or lifetime(TOKEN_TTL))} and shown only now: {token}"
        try:
            file = consumers.keep_token(consumer=name, authority=authority, token=token)
        except OSError as error:
            self.stderr.write(f"The token can't be kept for {name} here: {error}. Set {authority.upper()}_API_TOKEN where it runs.")
            return token, None, said
        if file is None:
            return token, None, f"{said}\n{name} doesn't run here: set {authority.upper()}_API_TOKEN where it does."
        return token, str(file), f"{said}\nIt is kept for {name} in {file}."

    def _open(self, options: dict[str, Any]) -> None:
        authority, name, ttl = _authority(options), options["name"], lifetime(options["ttl"])
        try:
            consumer = consumers.open_bootstrap(authority=authority, name=name, ttl=ttl)
        except NotRegistered as error:
            raise WrongUsage(str(error)) from None
        text = f"{name} may bootstrap from {authority} for {_span(ttl)}. Next: bootstrap {name} --from {authority}"
        self.result(options, _values(authority, consumer), text)

    def _close(self, options: dict[str, Any]) -> None:
        authority, name = _authority(options), options["name"]
        try:
            consumer = consumers.close_bootstrap(authority=authority, name=name)
        except NotRegistered as error:
            raise WrongUsage(str(error)) from None
        rest = (
            f"It goes on with what changes behind position {consumer.bootstrapped_to}"
            if grants.went_live(consumer)
            else "It never was live, so it reads nothing"
        )
        text = f"{name} may not bootstrap from {authority} any more. {rest}."
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
            self.stdout.write("Nobody is registered. To change that: consumers register billing --to users")
            return
        table = Table("authority", "consumer", "fields", "event types", "bootstrap", "token until", "checkpoint", "may be stale")
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
        show(self.stdout, table)  # type: ignore[arg-type]  # it writes, which is all that is asked of it

    def _revoke(self, options: dict[str, Any]) -> None:
        authority, name = _authority(options), options["name"]
        if not consumers.revoke_consumer(authority=authority, name=name):
            raise WrongUsage(f"{name} is not registered with {authority}. Who is: consumers list")
        values = {"consumer": name, "authority": authority, "revoked": True}
        text = f"{name} is out of the register of {authority}: no more copies, and its token opens nothing."
        self.result(options, values, text)


def _authority(options: dict[str, Any]) -> str:
    """The authority that a call means: the one that it names, else the only one that knows the consumer."""
    if options["authority"]:
        return checked_context(options["authority"]).name
    name = options["name"]
    here = settings.contexts().values()
    known = [context.name for context in here if Consumer.objects.using(context.alias).filter(pk=name).exists()]
    if len(known) == 1:
        return known[0]
    why = f"{name} is registered with {' and '.join(known)}" if known else f"Nobody here knows {name}"
    raise WrongUsage(f"{why}. Say which authority: --to {'|'.join(known or settings.contexts())}")


def _words(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _span(time: timedelta) -> str:
    """A duration in the words that the commands take: 90s, 15m, 1h, 30d."""
    seconds = int(time.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _values(authority: str, consumer: Consumer) -> dict[str, Any]:
    """What a script gets of an entry. Never its token: that is printed once, by whoever issued it."""
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
