"""The lab's switches act on the running system."""

import re
import sqlite3
from contextlib import closing

from playwright.sync_api import expect

from config.runner.supervisor import ENDED, control
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import Pages
from tests.browser.steps import card, ended, mend
from tests.probes import wait_for

PATIENCE = 45_000


def test_the_lab_is_accessible_and_fits(page: Pages) -> None:
    page.page.goto("/lab/")
    expect(page.page.get_by_text("Nothing is broken")).to_be_visible()
    assert_accessible(page.page)
    page.keep("lab")
    page.page.set_viewport_size({"width": 320, "height": 900})
    widths = page.page.locator("fieldset form > small").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
    assert min(widths) > 150, "On a narrow screen a switch's words stand below it."


def test_damage_is_seen_by_kind_and_repaired(page: Pages) -> None:
    tab = page.page
    tab.goto("/lab/")
    tab.click("#stop-tend-billing")
    expect(tab.locator("#start-tend-billing")).to_be_visible(timeout=PATIENCE)
    for kind in ("missing", "corrupt", "ghost"):
        tab.click(f"#damage-{kind}")
        expect(tab.locator(f"tr.drift.{kind} .tag", has_text=kind).first).to_be_visible(timeout=PATIENCE)
    page.keep("lab-drift")
    tab.click("#mend-repair")
    expect(tab.locator("#said")).to_contain_text("3 rows repaired", timeout=PATIENCE)
    for _ in range(2):
        with tab.expect_response("**/lab/live/**", timeout=PATIENCE):
            pass
    expect(tab.locator("#said")).to_contain_text("3 rows repaired")
    expect(tab.locator("tr.drift")).to_have_count(0, timeout=PATIENCE)
    mend(tab)


def test_what_is_damaged_is_named_as_the_table_names_it_and_stands_in_the_state_line(page: Pages) -> None:
    tab = page.page
    tab.goto("/lab/")
    tab.click("#stop-tend-billing")
    expect(tab.locator(".broken")).to_contain_text("tend-billing stopped", timeout=PATIENCE)
    for kind, words in (
        ("missing", r"Billing's row of (?:the erased user )?(.+) is deleted"),
        ("ghost", r"Billing has a row of a user (.+) that the users context never had"),
    ):
        tab.click(f"#damage-{kind}")
        expect(tab.locator("#said")).to_have_text(re.compile(words), timeout=PATIENCE)
        found = re.search(words, tab.locator("#said").inner_text())
        assert found
        expect(tab.locator(f"tr.drift.{kind}", has_text=found[1]).first).to_be_visible()
    expect(tab.locator(".broken")).to_contain_text("2 rows shown differ: 1 ghost, 1 missing")
    page.keep("lab-damage")
    mend(tab)


def test_nothing_fills_a_copy_while_it_is_made_new(page: Pages) -> None:
    """A pull of the sync process that was under way would write into it afterwards."""
    supervisor = control(page.run.folder / "run" / "supervisord.conf").supervisor
    page.page.goto("/chapters/2/")
    with closing(sqlite3.connect(page.run.folder / "billing.sqlite3", timeout=30)) as billing:
        rows = lambda: billing.execute("SELECT count(*) FROM billing_cacheduser").fetchone()[0]  # noqa: E731
        wait_for(rows, timeout=PATIENCE / 1000, what="a copy to make new")
        page.page.click("#play-stage")
        wait_for(lambda: not rows(), timeout=PATIENCE / 1000, what="the copy to be emptied")
        assert supervisor.getProcessInfo("tend-billing")["statename"] in ENDED
    assert ended(page.page, "stage") == "holds", card(page.page, "stage").inner_text()
    page.page.goto("/chapters/4/")
    page.page.click("#play-stage")
    assert ended(page.page, "stage") == "holds", "Billing has a copy again, for the next test."


def test_the_charts_stay_readable_while_a_stage_is_set(page: Pages) -> None:
    """A copy that was never confirmed has no age, whatever the walkthrough asks its worker."""
    tab, chapter = page.page, page.context.new_page()
    tab.goto("/lab/")
    chapter.goto("/chapters/2/")
    for _ in range(2):  # the second time from a copy that was never confirmed
        chapter.click("#play-stage")
        expect(chapter.locator("#bar.running")).to_be_visible()
        assert ended(chapter, "stage") == "holds", card(chapter, "stage").inner_text()
    with tab.expect_response("**/lab/live/**"):
        pass
    assert not re.search(r"day|\d{6}", tab.locator(".charts").inner_text()), tab.locator(".charts").inner_text()


def test_a_stopped_relay_fills_the_outbox_and_a_started_one_empties_it(page: Pages) -> None:
    tab = page.page
    tab.goto("/lab/")
    waiting = tab.locator("#lab .lane").first.locator("dd").first
    tab.click("#stop-relay-users")
    expect(tab.locator("#start-relay-users")).to_be_visible(timeout=PATIENCE)
    tab.locator("button.suspend").first.click()
    expect(waiting).to_have_text("1 waiting", timeout=PATIENCE)
    tab.click("#start-relay-users")
    expect(waiting).to_have_text("0 waiting", timeout=PATIENCE)


def test_duplicated_deliveries_are_counted(page: Pages) -> None:
    tab = page.page
    tab.goto("/lab/")
    outcomes = tab.locator("#lab .lane").first.locator(".outcomes")

    def duplicates() -> int:
        found = re.search(r"(\d+) duplicate", outcomes.inner_text())
        assert found
        return int(found[1])

    before = duplicates()
    tab.click("#fault-duplicate")
    expect(tab.locator("#fault-duplicate")).to_have_attribute("aria-checked", "true", timeout=PATIENCE)
    tab.locator("button.suspend").first.click()
    expect(outcomes).to_contain_text(f"{before + 2} duplicate", timeout=PATIENCE)
    mend(tab)
    expect(tab.locator("#fault-duplicate")).to_have_attribute("aria-checked", "false", timeout=PATIENCE)


def test_a_users_story_names_what_happened_in_both_contexts(page: Pages) -> None:
    tab = page.page
    tab.goto("/lab/")
    row = tab.locator("tbody tr", has=tab.locator("button.suspend")).first
    row.locator("button.suspend").click()
    tab.locator(".who a").first.click()
    expect(tab.locator("#timeline .story li").first).to_be_visible(timeout=PATIENCE)
    page.keep("lab-story")


def test_by_the_keyboard_alone(page: Pages) -> None:
    tab = page.page
    tab.goto("/lab/")
    tab.locator("#fault-drop").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#fault-drop")).to_have_attribute("aria-checked", "true", timeout=PATIENCE)
    expect(tab.locator("#fault-drop")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.locator("#fault-drop")).to_have_attribute("aria-checked", "false", timeout=PATIENCE)
