"""The picture on its pages: what its parts link to, the strip, what the script asks for, and a database that is away."""

import json
import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User as Person
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from config.env import ROOT
from users.models import User
from walkthrough.flow import state
from walkthrough.flow.parts import PARTS
from walkthrough.flow.shapes import SHAPES
from walkthrough.observe import glossary

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.usefixtures("running", "queued")]


def test_the_lab_shows_the_whole_picture_in_every_width(client: Client, users: list[User]) -> None:
    html = client.get("/lab/").content.decode()
    assert re.findall(r'data-width="(\d+)"', html) == ["1180", "988", "636", "348", "268"]
    assert "Last: <b>User registered</b>, Cleo, v1" in html
    assert "walkthrough/flow.js" in html
    assert "walkthrough/flow.css" in html


@pytest.mark.parametrize("number", range(13))
def test_each_chapter_shows_its_parts_and_no_others(client: Client, number: int) -> None:
    html = client.get(f"/chapters/{number}/").content.decode()
    assert set(re.findall(r'data-part="(\w+)"', html)) == set(SHAPES[str(number)].parts)
    assert SHAPES[str(number)].says in unescape(html)


def test_without_javascript_a_part_opens_its_strip_and_keeps_the_page_s_query(client: Client, users: list[User]) -> None:
    html = client.get(f"/lab/?user={users[0].pk}").content.decode()
    href = unescape(re.search(r'href="([^"]+)" data-part="relay"', html)[1])  # type: ignore[index]
    assert href == f"?user={users[0].pk}&part=relay#flow-strip"
    opened = client.get(f"/lab/{href.partition('#')[0]}").content.decode()
    strip = opened.partition('<div id="flow-strip"')[2]
    assert "<b>relay</b>: the program that sends recorded events to the queues" in strip
    assert 'data-part="relay" aria-label="relay: runs" aria-current="true"' in opened


def test_a_part_that_a_chapter_lacks_or_nobody_knows_opens_nothing(client: Client) -> None:
    for address in ("/chapters/0/?part=relay", "/lab/?part=nothing", "/lab/?part="):
        html = client.get(address).content.decode()
        assert re.search(r'<div id="flow-strip"[^>]*></div>', html), address


def test_the_script_gets_one_width_with_counts_and_the_strip(client: Client, users: list[User]) -> None:
    html = client.get("/flow/", {"shape": "home", "width": "988", "part": "queue"}).content.decode()
    assert html.count('<svg class="flow-svg') == 1
    now = json.loads(unescape(re.search(r'data-now="([^"]+)"', html)[1]))  # type: ignore[index]
    assert now == {"counts": {"applied": 3, "duplicate": 0, "obsolete": 0, "parked": 0, "lost": 0}, "pulled": [], "lost": []}
    assert "<b>queue</b>" in html
    assert len(html) < 20_000


@pytest.mark.parametrize("query", ["shape=nothing", "shape=13", f"shape={'x' * 500}"])
def test_an_unknown_picture_is_not_found(client: Client, query: str) -> None:
    assert client.get(f"/flow/?{query}").status_code == 404


@pytest.mark.parametrize("width", ["", "-1", "abc", "²", "99999999999999999999"])
def test_a_width_that_does_not_exist_gives_all_or_none(client: Client, width: str) -> None:
    assert client.get("/flow/", {"width": width}).status_code == 200


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_what_a_part_leads_to_exists(client: Client, part: Any) -> None:
    client.force_login(Person.objects.create_superuser("admin"))
    assert client.get(part.admin_address).status_code == 200
    source = client.get(part.source_address)
    assert source.status_code == 200
    assert part.source in source.content.decode()
    assert (ROOT / part.source).is_file()
    page, _, anchor = part.glossary_address.partition("#")
    assert f'<div id="{anchor}"><dt>{part.word}</dt>' in client.get(page).content.decode()


def test_an_unknown_part_has_no_source(client: Client) -> None:
    assert client.get("/flow/nothing/").status_code == 404


def test_the_glossary_has_every_word_once(client: Client) -> None:
    html = client.get(reverse("walkthrough:glossary")).content.decode()
    found = re.findall(r'<div id="([^"]+)"><dt>', html)
    assert len(found) == len(set(found)) > 80
    assert "word" not in found
    assert "tend-tend-billing" not in found  # the second table has names, not words
    assert 'href="crossings.md' not in html
    assert [anchor for anchor, _, _ in glossary.entries()] == found


def test_without_a_database_the_page_says_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("no answer")

    monkeypatch.setattr(state, "look", away)
    html = client.get("/flow/").content.decode()
    assert "The databases don&#x27;t answer" in html or "The databases don't answer" in html
    assert "data-now" not in html


def test_a_name_from_a_form_is_escaped(client: Client, users: list[User]) -> None:
    from tests.walkthrough.flow.conftest import send
    from users.services import user_register

    user_register(email="x@example.org", name="<script>alert(1)</script>")
    send()
    html = client.get("/flow/").content.decode()
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
