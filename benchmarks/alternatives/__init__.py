"""The alternatives, each a small real application with its own settings, the same rows and the same database server.

Each follows its documentation, with its faster settings where it has any. Comments next to the settings explain the choices.
"""
