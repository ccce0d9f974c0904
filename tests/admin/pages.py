"""Reads the admin's pages."""

import re

from django.test import Client
from django.urls import reverse


def listed(client: Client, model: str, **query: str) -> list[dict[str, str]]:
    """Return the list's rows: text by column."""
    html = client.get(reverse(f"admin:{model}_changelist"), query).content.decode()
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    cells = [re.findall(r'class="field-(\w+)[^"]*">(.*?)</t[dh]>', row, re.DOTALL) for row in rows]
    return [{name: re.sub(r"<[^>]*>", "", text).replace("\xa0", " ") for name, text in row} for row in cells if row]


def page(client: Client, model: str, pk: object) -> str:
    return client.get(reverse(f"admin:{model}_change", args=[pk])).content.decode()
