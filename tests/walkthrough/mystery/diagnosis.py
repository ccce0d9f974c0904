"""A reader's way to the cause. It gets the ticket and knows what anybody can see: pages, the admin, commands, a user's story."""

import re
from datetime import datetime, timedelta
from typing import Any

from tests.probes import wait_for
from tests.walkthrough.mystery.reader import Reader

#: The lab's word for a stopped program, and the cause that it is.
DOWN = {"relay-users": "relay-stopped", "worker-billing": "worker-killed", "tend-billing": "tend-stopped"}
#: Seconds in which a gap is filled, or nobody fills it.
PATIENCE = 40


def diagnose(reader: Reader, ticket: str, user: str) -> str:
    """Return the cause, from the most telling sign to the least."""
    lab = reader.get("/lab/")
    for program, cause in DOWN.items():
        if re.search(rf"<b>{program}</b> <span[^>]*>(stopped|exited)<", lab.html):
            return cause
    row = _settled(reader)
    if row["state"] == "doubtful":
        return "authority-set-back"
    if row["state"] == "unreachable":
        assert "has expired" in reader.manage("reconcile", "billing", "--from", "users")[1]
        return "token-expired"
    if row["parked"]:
        assert "status_since: Field required" in reader.get("/admin/billing/parkedmessage/").text
        return "contract-changed"
    if re.search(r"[1-9]\d* duplicate", reader.get("/lab/").text):
        return "deliveries-repeated"
    if _flagged_for_another_time(reader, ticket, user):
        return "clock-slow"
    if _differs(reader):
        return "copy-tampered"
    return _where_my_own_change_ends(reader)


def _billing(reader: Reader) -> dict[str, Any]:
    rows = reader.json("status")["consumers"]
    return next(row for row in rows if (row["consumer"], row["authority"]) == ("billing", "users"))


def _settled(reader: Reader) -> dict[str, Any]:
    """The status of billing's copy, when no gap is being filled any more."""
    seen: list[dict[str, Any]] = []

    def settled() -> bool:
        seen.append(_billing(reader))
        return not seen[-1]["lag"] or seen[-1]["state"] != "live"

    wait_for(settled, timeout=PATIENCE, what="billing's copy to be caught up, or not to be live", seen=lambda: seen[-1])
    return seen[-1]


def _flagged_for_another_time(reader: Reader, ticket: str, user: str) -> bool:
    """An invoice of the ticket's user is flagged for a suspension at a time that isn't the ticket's."""
    told = re.search(r"was suspended at (\d\d:\d\d:\d\d)", ticket)
    invoices = reader.get(f"/admin/billing/invoice/?review=yes&q={user}")
    flagged = re.search(r"The user was suspended at \S+ (\d\d:\d\d:\d\d) UTC", invoices.html)
    if not told or not flagged:
        return False
    apart = datetime.strptime(told[1], "%H:%M:%S") - datetime.strptime(flagged[1], "%H:%M:%S")
    return abs(apart) > timedelta(minutes=5)


def _differs(reader: Reader) -> bool:
    code, printed = reader.manage("reconcile", "billing", "--from", "users")
    assert code in (0, 1), printed
    return code == 1


def _where_my_own_change_ends(reader: Reader) -> str:
    """Suspend a user on the page, and read that user's story in the lab."""
    page = reader.get("/lab/").html
    found = re.search(r'id="suspend-([0-9a-f-]{36})"', page)
    assert found, "The lab offers no user to suspend."
    story = f"/lab/?user={found[1]}"
    reader.post(f"/users/{found[1]}/suspend/")

    def told() -> str:
        text = reader.get(story).text.partition("The story of")[2]
        if "no event was recorded" in text:
            return "events-not-recorded"
        if "User suspended: received" in text:
            return "queue-flushed"
        return "deliveries-dropped" if "by repair suspended" in text else ""

    return wait_for(told, timeout=PATIENCE, what="the end of a user's story", seen=lambda: reader.get(story).text[-2000:])
