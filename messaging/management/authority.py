"""What commands that ask another context's API share: its arguments, and its errors as sentences with an exit code."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from messaging.errors import AlreadyRunning, BelowFloor, BrokerAway, Denied, NoCache, NotNow, Unreachable
from messaging.management.base import Refused, WrongUsage, checked_context, context_argument
from messaging.replica.replica import Replica


def consumer_and_authority(parser: ArgumentParser) -> None:
    """`billing --from users`"""
    context_argument(parser, "consumer", "whose copy")
    parser.add_argument("--from", required=True, dest="authority", metavar="AUTHORITY", help="whose facts it copies, as users")


def checked_replica(options: Mapping[str, Any]) -> Replica:
    """The copy that a call is about; `WrongUsage` where the consumer runs elsewhere, or keeps no copy of the authority's facts."""
    try:
        return Replica.of(checked_context(options["consumer"]).name, options["authority"])
    except NoCache as error:
        raise WrongUsage(str(error)) from None


def checked_page_size(size: int) -> int:
    if not 1 <= size <= 10_000:
        raise WrongUsage("--page-size is a number from 1 to 10000.")
    return size


@contextmanager
def authority_errors_as_refusals(consumer: str, authority: str) -> Iterator[None]:
    """Around work that asks the authority: what it refuses or doesn't answer is `Refused`, with what to do."""
    try:
        yield
    except NotNow as error:
        raise Refused(str(error)) from None
    except Unreachable as error:
        raise Refused(
            f"{str(error).rstrip('.')}. Start it (make run), or say where it is: {authority.upper()}_API_URL=http://…"
        ) from None
    except Denied as error:
        todo = _todo(error.reason, consumer, authority)
        raise Refused(f"{str(error).removesuffix('.')}. {todo}" if todo else str(error)) from None
    except BelowFloor as error:
        todo = f"Open it again: consumers open {consumer} --ttl 1h. Then: bootstrap {consumer} --from {authority}"
        raise Refused(f"{error} {todo}") from None
    except (AlreadyRunning, BrokerAway) as error:
        raise Refused(f"{error}") from None


def _todo(reason: str, consumer: str, authority: str) -> str:
    if reason in {"no_token", "unknown_token", "expired_token"}:
        return f"Register it (consumers register {consumer} --to {authority} --new-token) and set {authority.upper()}_API_TOKEN."
    return ""
