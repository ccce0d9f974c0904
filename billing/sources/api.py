"""The source `api`: it asks `users` about each user when it decides. It is fresh but slow, and down when `users` is down."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from billing import selectors
from messaging.errors import Denied, Unreachable
from messaging.replica import AuthorityClient

CONTEXT, AUTHORITY = "billing", "users"


class Facts(BaseModel):
    """The field of the answer's data that billing reads."""

    status: str


class Answer(BaseModel):
    """The fields that billing reads of `GET /api/users/<id>/`."""

    id: UUID
    version: int
    data: Facts


class Api:
    """An `Adapter` that asks about the users that billing has invoiced or cached. It doesn't find newer users, because the API has
    no list to read; a feed does."""

    authority = AUTHORITY
    failures = (Unreachable, Denied)
    #: Answers per commit: these invoices stay if the next answer doesn't come.
    at_once = 25

    def __init__(self) -> None:
        self.calls = 0
        self._client = AuthorityClient(AUTHORITY, CONTEXT)

    def after(self, user_id: UUID | None, limit: int) -> Sequence[tuple[UUID, str, int]]:
        # An empty result means the end, so go on past a page of users that the authority doesn't know.
        while known := selectors.known_users_after(after=user_id, limit=limit):
            found = [self.one(known_id) for known_id in known]
            if any(found):
                return [standing for standing in found if standing]
            user_id = known[-1]
        return []

    def one(self, user_id: UUID) -> tuple[UUID, str, int] | None:
        self.calls += 1
        record = self._client.record(str(user_id))
        return None if record is None else _read(record)

    def close(self) -> None:
        self._client.close()


def _read(record: Mapping[str, Any]) -> tuple[UUID, str, int]:
    try:
        answer = Answer.model_validate(record)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False))
        raise Unreachable(f"{AUTHORITY} sent an answer with missing or invalid fields: {fields}") from None
    return answer.id, answer.data.status, answer.version
