"""The optional parts: what each one imports, and the sentence that says how to install it.

A module that imports an extra's packages is imported only when its part is used. `require` comes before that import.
"""

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from messaging.errors import MissingExtra

#: The name to install by.
DISTRIBUTION = "django-bounded-contexts"


@dataclass(frozen=True)
class Extra:
    part: str  #: what needs it, as the subject of a sentence
    packages: dict[str, str]  #: the packages that messaging imports, each with the name that it is installed by


#: pyproject.toml has the same names, with the versions. `boundaries` isn't here: it imports nothing of messaging.
EXTRAS = {
    "api": Extra("The HTTP API", {"rest_framework": "djangorestframework", "drf_spectacular": "drf-spectacular"}),
    "deploy": Extra("/metrics", {"prometheus_client": "prometheus_client"}),
    "postgres": Extra("A context's database on PostgreSQL", {"psycopg": "psycopg 3"}),
    "redis": Extra("A broker on Redis", {"redis": "redis", "packaging": "packaging"}),
    "signing": Extra("Signing messages", {"cryptography": "cryptography"}),
}


def missing(extra: str) -> str:
    """Return a sentence if a package of this extra isn't installed; else an empty text."""
    wanted = EXTRAS[extra]
    absent = [name for package, name in wanted.packages.items() if not _installed(package)]
    if not absent:
        return ""
    verb = "isn't" if len(absent) == 1 else "aren't"
    return f'{wanted.part} needs {" and ".join(absent)}, which {verb} installed: pip install "{DISTRIBUTION}[{extra}]"'


def require(extra: str) -> None:
    """Raise `MissingExtra` if a package of this extra isn't installed."""
    if sentence := missing(extra):
        raise MissingExtra(sentence)


@cache  # it is asked for each message
def _installed(package: str) -> bool:
    return find_spec(package) is not None
