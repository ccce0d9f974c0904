"""The project with each context in a database whose alias isn't its name. Users are in `default`, with Django's own tables, as in a
host whose monolith is one database."""

from dataclasses import replace

from config.contexts import CONTEXTS

for _name, _alias in {"users": "default", "billing": "billing_db", "monolith": "monolith_db"}.items():
    CONTEXTS[_name] = replace(CONTEXTS[_name], database=_alias)

from config.settings import *  # noqa: E402, F403  (it reads the contexts)

SECURE_SSL_REDIRECT = False  # the tests' server speaks HTTP
