"""Every mystery is solved by pages and commands alone, on a running system.

A test knows its seed and not the fault: `diagnosis` derives the cause from what a reader sees.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

import pytest

from tests.walkthrough.mystery.diagnosis import diagnose
from tests.walkthrough.mystery.reader import Page, Reader
from walkthrough.mystery import choice
from walkthrough.mystery.begin import TAMPERED
from walkthrough.mystery.causes import NAMES
from walkthrough.mystery.scene import Scene

#: What heals what, as a reader of the chapters knows it. The first is chosen.
HEALS = {
    "relay-stopped": ("start-relay",),
    "worker-killed": ("start-worker",),
    "tend-stopped": ("start-tend",),
    "deliveries-dropped": ("fix-connection",),
    "deliveries-repeated": ("fix-connection",),
    "events-not-recorded": ("roll-back-and-republish",),
    "copy-tampered": ("authority-wins", "bootstrap", "repair-copy"),
    "authority-set-back": ("authority-wins", "bootstrap"),
    "token-expired": ("new-token",),
    "contract-changed": ("roll-back-and-discard",),
    "clock-slow": ("set-clock",),
}
#: Twelve seeds in a row have all twelve faults.
TWELVE = range(12, 24)
#: Repairs that take a while; a wrong one is chosen among the others.
SLOW = {"new-token", "fix-connection", "bootstrap"}


def kind_of(seed: int) -> str:
    """How the copy is tampered with; only to have a seed for each kind."""
    return Scene(seed).dice.choice(sorted(TAMPERED))


def tampering() -> list[int]:
    """A seed for each kind of tampering that the twelve don't have."""
    seeds = [seed for seed in range(24, 1200) if choice.cause_of(seed).name == "copy-tampered"]
    first = {kind_of(seed): seed for seed in reversed(seeds)}
    mine = next(kind_of(seed) for seed in TWELVE if choice.cause_of(seed).name == "copy-tampered")
    return [seed for kind, seed in sorted(first.items()) if kind != mine]


def test_the_seeds_of_this_module_have_all_faults_and_all_kinds() -> None:
    assert sorted(choice.cause_of(seed).name for seed in TWELVE) == sorted(NAMES)
    assert len(tampering()) == len(TAMPERED) - 1 == 3


@pytest.fixture(autouse=True)
def _ended(reader: Reader) -> Iterator[None]:
    yield
    if "give-up" in reader.get("/mystery/").html:
        reader.post("/mystery/give-up/")


@dataclass(frozen=True)
class Shown:
    """What the page offers."""

    ticket: str
    user: str
    causes: list[str]
    repairs: list[str]


def started(reader: Reader, seed: int) -> Shown:
    page = reader.post("/mystery/start/", seed=str(seed))
    assert f"Mystery {seed}" in page.text, page.text
    ticket = re.search(r"<blockquote>(.*?)</blockquote>", page.html, re.DOTALL)
    assert ticket, page.text
    user = re.search(r"/lab/\?user=([0-9a-f-]{36})", page.html)
    causes, repairs = (re.findall(rf'name="{name}" value="([a-z-]+)"', page.html) for name in ("cause", "repair"))
    return Shown(unescape(ticket[1]), user[1] if user else "", causes, repairs)


def solve(reader: Reader, cause: str, repair: str) -> Page:
    return reader.post("/mystery/solve/", cause=cause, repair=repair)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [*TWELVE, *tampering()])
def test_it_is_diagnosed_and_repaired(reader: Reader, seed: int) -> None:
    mystery = started(reader, seed)
    cause = diagnose(reader, mystery.ticket, mystery.user)
    assert cause in mystery.causes, f"{cause} isn't offered: {mystery.causes}"
    heals = HEALS.get(cause, tuple(mystery.repairs))
    other = next(name for name in mystery.causes if name != cause)
    repair = next(name for name in heals if name in mystery.repairs)

    if cause in HEALS:  # of an emptied queue nothing is left to repair, so no repair is wrong
        page = solve(reader, other, next(name for name in mystery.repairs if name not in heals and name not in SLOW))
        assert "cause wrong" in page.text, page.text
        assert "not in order" in page.text
        assert "✗" in page.text
        assert 'id="solve"' in page.html

    page = solve(reader, other, repair)
    assert "In order again, but for another reason" in page.text, page.text
    assert "✗" not in page.text
    assert 'id="solve"' in page.html

    page = solve(reader, cause, repair)
    assert re.search(r"Solved after \d+ s and [1-9]\d* looks?", page.text), page.text
    assert "Where you could have seen it" in page.text
    in_order(reader, page)


def in_order(reader: Reader, page: Page) -> None:
    """Nothing is broken, by the mystery's page and by the lab."""
    assert "✓ Holds: The fingerprints of both sides are equal" in page.text, page.text
    assert "✗" not in page.text
    assert "Nothing is broken" in reader.get("/lab/").text


def test_in_a_terminal(reader: Reader) -> None:
    """Everything by commands: each exit code, and what is refused."""
    code, printed = reader.manage("mystery", "solve", "--cause", "relay-stopped", "--repair", "start-relay")
    assert (code, "No mystery is open" in printed) == (3, True), printed
    assert reader.manage("mystery", "start", "--seed", "-1")[0] == 2
    begun = reader.json("mystery", "start")  # a picked seed
    assert begun["phase"] == "open"
    code, printed = reader.manage("mystery", "start", "--seed", str(begun["seed"]))
    assert (code, f"Mystery {begun['seed']} is open" in printed) == (3, True), printed
    code, printed = reader.manage("mystery", "hint")
    assert code == 0
    assert printed.strip()
    code, printed = reader.manage("mystery", "solve", "--cause", "gremlins", "--repair", "start-relay")
    assert (code, "offers no cause 'gremlins'" in printed) == (2, True), printed
    cause = diagnose(reader, begun["ticket"], begun["user"])
    heals = HEALS.get(cause, tuple(begun["repairs"]))
    repair = next(name for name in heals if name in begun["repairs"])
    other = next(name for name in begun["causes"] if name != cause)
    code, printed = reader.manage("mystery", "solve", "--cause", other, "--repair", repair)
    assert (code, "Cause: wrong" in printed) == (1, True), printed
    code, printed = reader.manage("mystery", "solve", "--cause", cause, "--repair", repair)
    assert (code, "Solved after" in printed, "Cause: right" in printed) == (0, True, True), printed
    assert reader.json("mystery", "status")["phase"] == "solved"


def test_who_gives_up_is_told_and_the_system_is_in_order(reader: Reader) -> None:
    mystery = started(reader, TWELVE[0])
    page = reader.post("/mystery/give-up/")
    assert "The answer" in page.text
    assert "Where you could have seen it" in page.text
    assert mystery.ticket in page.text
    in_order(reader, page)


def test_looks_are_counted_by_page_and_command(reader: Reader) -> None:
    started(reader, TWELVE[1])

    def looks() -> int:
        found = re.search(r"looks (\d+)", reader.get("/mystery/numbers/").text)
        assert found
        return int(found[1])

    before = looks()
    for path in ("/lab/", "/admin/users/outbox/", "/mystery/", "/lab/live/", "/api/users/contracts/"):
        assert reader.get(path).status == 200
    reader.manage("status")
    assert looks() == before + 4  # the lab's live part is a page where nobody's script asks for it


def test_the_lab_s_button_for_everything_is_refused_and_a_chapter_ends_it(reader: Reader) -> None:
    started(reader, TWELVE[2])
    assert f"Mystery {TWELVE[2]} is open" in reader.post("/lab/mend/everything/").text
    reader.post("/chapters/4/play/stage/")
    assert "A chapter was set on stage since" in reader.get("/mystery/").text
    page = solve(reader, "relay-stopped", "start-relay")
    assert page.status == 409
    assert "A chapter was set on stage since" in page.text
    assert "Nothing is broken" in reader.get("/lab/").text
