"""Arguments and errors of commands that call another context's API."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from messaging import settings
from messaging.errors import AlreadyRunning, BelowFloor, BrokerAway, Denied, NoCache, NotNow, Unreachable
from messaging.management.base import Refused, WrongUsage, checked_context, context_argument
from messaging.replica.replica import Replica


def consumer_and_authority(parser: ArgumentParser) -> None:
    """Add the arguments of `billing --from users`."""
    context_argument(parser, "consumer", "the context that keeps the copy")
    parser.add_argument(
        "--from", required=True, dest="authority", metavar="AUTHORITY", help="the context whose facts are copied, e.g. users"
    )


def checked_replica(options: Mapping[str, Any]) -> Replica:
    """Return the copy that the arguments name. Raises `WrongUsage` if the consumer isn't in this process or keeps no such copy."""
    try:
        return Replica.of(checked_context(options["consumer"]).name, options["authority"])
    except NoCache as error:
        raise WrongUsage(str(error)) from None


def checked_page_size(size: int) -> int:
    if not 1 <= size <= 10_000:
        raise WrongUsage("--page-size must be a number from 1 to 10000.")
    return size


@contextmanager
def authority_errors_as_refusals(consumer: str, authority: str) -> Iterator[None]:
    """Raise `Refused` with the next command if the authority refuses or doesn't answer."""
    try:
        yield
    except (AlreadyRunning, BrokerAway, Denied, NotNow) as error:
        raise Refused(str(error)) from None
    except Unreachable as error:
        check = f"Check that {settings.authority(authority)} runs, and its address (MESSAGING['API_URL'])"
        raise Refused(f"{str(error).rstrip('.')}. {check}.") from None
    except BelowFloor as error:
        owner = settings.authority(authority)
        todo = f"Where {owner} runs, open a grant: manage.py consumers open {consumer} --to {owner} --ttl 1h. "
        todo += f"Then here: manage.py bootstrap {consumer} --from {authority}"
        raise Refused(f"{error} {todo}") from None
