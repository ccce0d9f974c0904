"""If the server refuses a request, fails at it or doesn't answer, the page stays and shows one notice."""

import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Literal

import pytest
from playwright.sync_api import Error, Locator, Route, expect

from config.env import ROOT
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages, keep
from tests.browser.test_pages import log_in

PATIENCE = 30_000


@contextmanager
def refused(page: Pages) -> Iterator[Locator]:
    """The page is still the same afterwards. The browser's own lines about the answers are expected."""
    page.page.evaluate("window.stays = true")
    yield page.page.locator("#trouble")
    assert page.page.evaluate("window.stays")
    expect(page.page.locator("nav.top")).to_have_count(1)
    expect(page.page.locator("h1")).to_have_count(1)
    expect(page.page.locator("html")).to_have_attribute("lang", "en")
    page.errors.clear()


def press(page: Pages, action: str = "suspend") -> tuple[str, Locator]:
    """Press the first button with that name. Returns the user's id, and the row that has it now."""
    button = page.page.locator(f"button.{action}").first
    user_id = str(button.get_attribute("id")).removeprefix(f"{action}-")
    button.click()
    return user_id, page.page.locator("tbody tr", has=page.page.locator(f"[id$='-{user_id}']"))


def test_a_registration_with_an_address_that_is_taken_keeps_the_page_and_what_was_typed(page: Pages) -> None:
    tab = page.page
    tab.goto("/side-by-side/")
    taken = tab.locator(".who small").first.inner_text()
    with refused(page) as trouble:
        tab.fill("#register-email", taken)
        tab.fill("#register-name", "Somebody Else")
        tab.click("#register-button")
        expect(tab.locator("#notice")).to_have_text("Not done. Another user has this e-mail address.")
        expect(tab.locator("#register-name")).to_have_value("Somebody Else")
        expect(tab.locator("#live tbody tr").first).to_be_visible()
        expect(trouble).to_be_hidden()
        page.keep("refused")


def test_a_user_who_was_changed_or_is_gone_meanwhile_keeps_the_page(page: Pages) -> None:
    tab = page.page
    tab.goto("/side-by-side/")
    tab.route("**/live/", lambda route: None)  # without an answer the page keeps its content
    old = tab.locator("button.suspend").first
    path = str(tab.locator("form", has=old).first.get_attribute("action"))
    assert page.context.request.get("/side-by-side/").ok
    other = page.context.new_page()
    other.goto("/side-by-side/")
    other.click(f"#{old.get_attribute('id')}")
    expect(other.locator("#notice")).to_contain_text("is suspended")
    with refused(page) as trouble, tab.expect_response(f"**{path}") as answer:
        old.click()
        assert answer.value.status == 409
        expect(tab.locator("#notice")).to_contain_text("Not done. Only an active user can be suspended")
        expect(trouble).to_be_hidden()
    form = tab.locator("form:has(button.suspend)").first
    with refused(page) as trouble, tab.expect_response("**/suspend/") as answer:
        unknown = f"/users/{uuid.uuid4()}/suspend/"
        form.evaluate("(form, path) => { form.setAttribute('hx-post', path); htmx.process(form) }", unknown)
        form.locator("button").click()
        assert answer.value.status == 404
        expect(tab.locator("#notice")).to_contain_text("Not done.")
        expect(trouble).to_be_hidden()


def test_a_running_refresh_keeps_a_buttons_answer(page: Pages) -> None:
    tab, held = page.page, list[Route]()
    tab.goto("/side-by-side/")
    with tab.expect_request("**/live/"):
        tab.route("**/live/", lambda route: held.append(route))
    old = page.context.request.get("/live/").text()
    with tab.expect_request("**/suspend/"):
        tab.route("**/suspend/", lambda route: held.append(route))
        press(page)
    look, pressed = held
    with suppress(Error):  # the browser has given up
        look.fulfill(body=old, content_type="text/html")
    tab.unroute("**/live/")
    pressed.continue_()
    expect(tab.locator("#notice")).to_contain_text("is suspended")


def test_a_refresh_during_a_press_keeps_the_button(page: Pages) -> None:
    tab = page.page
    tab.goto("/side-by-side/")
    button = tab.locator("button.suspend").first
    button.hover()
    tab.mouse.down()
    for _ in range(2):
        with tab.expect_response("**/live/") as look:
            look.value.finished()
    tab.wait_for_function("!document.querySelector('.htmx-request')")
    tab.mouse.up()
    expect(tab.locator("#notice")).to_contain_text("is suspended")


@pytest.mark.parametrize(
    ("button", "then"),
    [
        ("right", ""),
        ("left", "window.dispatchEvent(new Event('blur'))"),
        ("left", "document.dispatchEvent(new Event('visibilitychange'))"),
        ("left", "document.dispatchEvent(new Event('contextmenu'))"),
    ],
    ids=["right", "another window", "another tab", "a menu"],
)
def test_a_press_without_a_release_does_not_stop_the_refreshes(page: Pages, button: Literal["left", "right"], then: str) -> None:
    tab = page.page
    tab.goto("/side-by-side/")
    tab.locator("h1").hover()
    tab.mouse.down(button=button)
    tab.evaluate(f"{then}; document.querySelector('#live > *').dataset.old = 'yes'")
    tab.wait_for_function("!document.querySelector('[data-old]')", timeout=PATIENCE)
    tab.mouse.up(button=button)


def test_a_login_in_another_tab_doesn_t_spoil_the_buttons_of_this_one(page: Pages) -> None:
    tab = page.page
    tab.goto("/side-by-side/")
    page.page = page.context.new_page()
    log_in(page)
    page.page = tab
    tab.bring_to_front()
    _, row = press(page)
    expect(row.locator(".status.suspended").first).to_be_visible(timeout=PATIENCE)
    expect(tab.locator("#notice")).to_contain_text("is suspended")
    assert page.errors == []


def test_a_form_without_any_valid_token_is_a_notice_and_without_javascript_one_clear_page(page: Pages) -> None:
    tab = page.page
    tab.goto("/side-by-side/")
    page.context.clear_cookies()
    with refused(page) as trouble:
        press(page)
        expect(trouble).to_contain_text("Not done. The server refused the form (403).")
        expect(tab.locator("#live tbody tr").first).to_be_visible()
        assert_accessible(tab)
        page.keep("trouble")
        trouble.get_by_role("button").click()
        expect(trouble).to_be_hidden()
    assert page.context.browser
    context = page.context.browser.new_context(java_script_enabled=False, base_url=page.address)
    plain = context.new_page()
    plain.goto("/side-by-side/")
    context.clear_cookies()
    plain.locator("button.suspend").first.click()
    expect(plain.locator("h1")).to_have_text("Not done: the form was out of date")
    expect(plain.locator("main")).to_contain_text("Go back, reload the page, and send the form again.")
    keep(plain, "csrf")
    context.close()


def test_a_whole_page_as_a_buttons_answer_is_reported_and_not_inserted(page: Pages) -> None:
    tab = page.page
    tab.goto("/lab/")
    for path, status in (("/nowhere/", "404"), ("/lab/live/", "405")):
        with refused(page) as trouble:
            form = tab.locator("form:has(#damage-flush)")
            form.evaluate("(form, path) => { form.setAttribute('hx-post', path); htmx.process(form) }", path)
            form.locator("button").click()
            expect(trouble).to_contain_text(f"Not done. The server answered {status}.")
        tab.reload()


@pytest.fixture
def broken(page: Pages) -> Iterator[None]:
    """Take away a table of billing that the pages read."""

    def rename(before: str, after: str) -> None:
        with closing(sqlite3.connect(page.run.folder / "billing.sqlite3", timeout=30)) as database:
            database.execute("PRAGMA legacy_alter_table=ON")
            database.execute(f"ALTER TABLE {before} RENAME TO {after}")
            database.commit()

    rename("billing_cacheduser", "billing_away")
    yield
    rename("billing_away", "billing_cacheduser")


def test_a_server_error_is_one_notice_that_goes_when_it_is_fixed(page: Pages, request: pytest.FixtureRequest) -> None:
    tab = page.page
    tab.goto("/side-by-side/")
    with refused(page) as trouble:
        request.getfixturevalue("broken")
        expect(trouble).to_contain_text("This page can’t be updated. The server answered 503; its log says why.", timeout=PATIENCE)
        press(page)
        expect(trouble).to_contain_text("The server answered 503; its log says why. Reload the page", timeout=PATIENCE)
        expect(trouble).to_have_count(1)
        expect(tab.locator("#live tbody tr").first).to_be_visible()
        page.keep("trouble-500")
        trouble.get_by_role("button").click()
    tab.goto("about:blank")  # before the table is back, the page asks again
    page.errors.clear()


def test_an_unreachable_server_is_a_notice_that_goes_when_it_answers_again(page: Pages) -> None:
    tab = page.page
    tab.goto("/lab/")
    with refused(page) as trouble:
        supervisorctl(page, "stop")
        expect(trouble).to_contain_text("The server doesn’t answer.", timeout=PATIENCE)
        tab.click("#fault-drop")
        expect(trouble).to_contain_text("Not done. The server doesn’t answer.")
        expect(tab.locator("#fault-drop")).to_be_visible()
        supervisorctl(page, "start")
        expect(trouble).to_be_hidden(timeout=PATIENCE)
        expect(tab.locator("#fault-drop")).to_have_attribute("aria-checked", "false")


def supervisorctl(page: Pages, what: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(page.run.folder / "run" / "supervisord.conf"), what, "web"],
        cwd=ROOT,
        env={name: value for name, value in page.run.environment.items() if name != "VAR_DIR"},
        check=True,
        capture_output=True,
        timeout=60,
    )
