"""Somebody who uses the shop's pages in a browser: cookies, forms with their hidden tokens, and redirects."""

import re
from http.cookiejar import CookieJar
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from tests.adoption.project import PATIENCE
from tests.probes import wait_for

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
SECONDS = 60


class Customer:
    """One browser."""

    def __init__(self, shop: str) -> None:
        self.shop = shop
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def read(self, path: str, fields: dict[str, str | list[str]] | None = None) -> tuple[str, str]:
        """Get a page, or post to it. Returns the path where the redirects ended, and the page there. Raises `HTTPError`."""
        data = None if fields is None else urlencode(fields, doseq=True).encode()
        with self.opener.open(self.shop + path, data, timeout=SECONDS) as answer:
            return answer.url.removeprefix(self.shop), answer.read().decode()

    def submit(self, path: str, **fields: str | list[str]) -> tuple[str, str]:
        """Fill in the form on a page."""
        found = TOKEN.search(self.read(path)[1])
        assert found, f"{path} has no form."
        return self.read(path, {"csrfmiddlewaretoken": found[1], **fields})

    def sign_up(self, email: str, password: str) -> None:
        """Register on oscar's page, which logs in too."""
        self.submit("/accounts/register/", email=email, password1=password, password2=password)
        self.sees_their_profile(email)

    def log_in(self, email: str, password: str) -> None:
        self.submit("/accounts/login/", **{"login-username": email, "login-password": password, "login_submit": "Log In"})
        self.sees_their_profile(email)

    def sees_their_profile(self, email: str) -> None:
        where, page = self.read("/accounts/profile/")
        assert where == "/accounts/profile/"
        assert email in page

    def deactivate(self, *users: int) -> None:
        """As staff do it in oscar's dashboard, where they tick users in a list."""
        self.submit("/dashboard/users/", action="make_inactive", selected_user=[str(user) for user in users])

    def wait_until_open(self) -> None:
        """Wait until the shop answers."""

        def answers() -> bool:
            try:
                self.read("/accounts/login/")
            except URLError as error:
                if isinstance(error.reason, ConnectionRefusedError):
                    return False
                raise
            return True

        wait_for(answers, timeout=PATIENCE, what=f"the shop to answer at {self.shop}")
