"""The project with each context on a database whose alias isn't its name: what a host does that keeps contexts where its own
databases are."""

from dataclasses import replace

from config.contexts import CONTEXTS

for _name in CONTEXTS:
    CONTEXTS[_name] = replace(CONTEXTS[_name], database=f"{_name}_db")

from config.settings import *  # noqa: E402, F403  (it reads the contexts)

SECURE_SSL_REDIRECT = False  # the tests' server speaks HTTP
