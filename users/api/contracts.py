"""`GET /api/users/contracts/`: the JSON Schemas of the events that `users` publishes, by type."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from messaging.http import contracts_schema
from messaging.publisher import schemas


class ContractsView(APIView):
    """Returns the contracts. It needs no token, because a contract holds no data."""

    authentication_classes = ()
    permission_classes = ()

    @contracts_schema("users")
    def get(self, request: Request) -> Response:
        return Response(dict(schemas("users")))
