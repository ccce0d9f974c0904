"""The project with all contexts in `default`, with Django's own tables: the first day in a host whose monolith is one database."""

from dataclasses import replace

from config.contexts import CONTEXTS

for _name, _context in list(CONTEXTS.items()):
    CONTEXTS[_name] = replace(_context, database="default")

from config.settings import *  # noqa: E402, F403  (it reads the contexts)

SECURE_SSL_REDIRECT = False  # the tests' server speaks HTTP
