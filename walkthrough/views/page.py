"""The page “Side by side”: users and billing's copy, the way of each event, and forms that change a user."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from messaging.ownership import ownership
from users import selectors, services
from users.errors import InvalidUser, TransitionNotAllowed, UnknownUser, UserError
from walkthrough.observe import event_trail, side_by_side
from walkthrough.views import lab

STATUS: dict[type[UserError], int] = {UnknownUser: 404, InvalidUser: 400, TransitionNotAllowed: 409}


class RegisterForm(forms.Form):
    """Checks what the form can check; the service checks the rest."""

    email = forms.EmailField(max_length=254)
    name = forms.CharField(max_length=200)


@require_safe
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """Users and billing's cache side by side."""
    return _page(request)


@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """The live part of the page."""
    return render(request, "walkthrough/_live.html", _live())


@require_POST
def register(request: HttpRequest) -> HttpResponse:
    """Register a user."""
    form = RegisterForm(request.POST)
    if form.is_valid():
        try:
            user = services.user_register(**form.cleaned_data)
        except UserError as error:
            return _registered(request, form, str(error), STATUS[type(error)])
        except IntegrityError as error:
            if ownership.refusal(error):
                raise  # users' rows can't be written here now; the middleware answers
            # Somebody else took the address between the check and the write.
            return _registered(request, form, "Another user has this e-mail address.", 409)
        return _registered(request, RegisterForm(), f"{user.name} is registered.", 200)
    field, errors = next(iter(form.errors.get_json_data().items()))
    label = {"email": "E-mail address", "name": "Name"}.get(field, field)
    return _registered(request, form, f"{label}: {errors[0]['message']}", 400)


@require_POST
def suspend(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Suspend a user."""
    return _act(request, "suspended", lambda: services.user_suspend(user_id=user_id, reason="by hand"))


@require_POST
def reactivate(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Reactivate a user."""
    return _act(request, "active again", lambda: services.user_reactivate(user_id=user_id))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def erase(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Erase a user. A GET asks first, where the page has no JavaScript to ask."""
    if request.method != "POST":
        user = selectors.users_by_id(ids=[user_id]).get(user_id)
        if user is None or not user.name:
            raise Http404("There is no user with this id, or the user is erased already.")
        return render(request, "walkthrough/erase.html", {"user": user})
    return _act(request, "erased", lambda: services.user_erase(user_id=user_id))


def _act(request: HttpRequest, done: str, service: Callable[[], Any]) -> HttpResponse:
    try:
        user = service()
    except UserError as error:
        notice, status = str(error), STATUS[type(error)]
    else:
        notice, status = f"{user.name or 'The user'} is {done}.", 200
    if request.htmx and request.htmx.target == "lab":  # type: ignore[attr-defined]
        return lab.answer(request, notice, refused=status != 200)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "walkthrough/_acted.html", {**_live(), **_notice(notice, status)}, status=status)
    return _plainly(request, notice, status, RegisterForm())


def _registered(request: HttpRequest, form: RegisterForm, notice: str, status: int) -> HttpResponse:
    if request.htmx:  # type: ignore[attr-defined]
        context = {**_live(), **_notice(notice, status), "form": form}
        return render(request, "walkthrough/_registered.html", context, status=status)
    return _plainly(request, notice, status, form)


def _plainly(request: HttpRequest, notice: str, status: int, form: RegisterForm) -> HttpResponse:
    if status != 200:
        return _page(request, form, notice, status)
    messages.success(request, notice)
    return redirect("walkthrough:page")


def _page(request: HttpRequest, form: RegisterForm | None = None, notice: str = "", status: int = 200) -> HttpResponse:
    context = {**_live(), **_notice(notice, status), "form": form or RegisterForm()}
    return render(request, "walkthrough/page.html", context, status=status)


def _live() -> dict[str, Any]:
    return {"rows": side_by_side.rows(), "lanes": side_by_side.lanes(), "events": event_trail.events()}


def _notice(text: str, status: int) -> dict[str, Any]:
    return {"notice": text, "refused": status != 200}
