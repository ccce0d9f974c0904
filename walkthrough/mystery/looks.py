"""Counts what the reader looks at while a mystery is open: a line in a file for each page and each command."""

import sys
from collections.abc import Callable, Sequence

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from walkthrough.script import kept

FILE = "mystery-looks.txt"
#: Commands that show something. The others act, or are the system's own programs.
LOOKING = {"check", "consumers", "events", "parked", "reconcile", "replay", "republish", "shell", "dbshell", "status"}


def begin() -> None:
    """Count from here on."""
    (kept.FOLDER / FILE).write_text("", encoding="utf-8")


def end() -> int:
    """Return the number of looks, and count no longer."""
    number = len(seen())
    (kept.FOLDER / FILE).unlink(missing_ok=True)
    return number


def seen() -> list[str]:
    """The looks so far, as addresses and commands."""
    try:
        return (kept.FOLDER / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def note(what: str) -> None:
    """Count one, if a mystery is open."""
    try:
        with (kept.FOLDER / FILE).open("r+", encoding="utf-8") as file:
            file.seek(0, 2)
            file.write(f"{' '.join(what.split())}\n")
    except FileNotFoundError:
        return


def note_command(words: Sequence[str]) -> None:
    """Count the command that this process runs, if it shows something."""
    if len(words) > 1 and words[0].endswith("manage.py") and words[1] in LOOKING:
        note(f"manage.py {words[1]}")


def counting(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that counts pages. What a page asks for by itself doesn't count, nor does the mystery's own page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if _is_look(request, response):
            note(request.path)
        return response

    return middleware


def _is_look(request: HttpRequest, response: HttpResponse) -> bool:
    opened = request.method == "GET" and response.status_code == 200 and not request.headers.get("HX-Request")
    page = response.headers.get("Content-Type", "").startswith("text/html")
    return (
        opened
        and page
        and request.path != reverse("walkthrough:flow")
        and not request.path.startswith(reverse("walkthrough:mystery"))
    )


def install() -> None:
    note_command(sys.argv)
