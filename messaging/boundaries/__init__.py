"""The rules between contexts: no relation and no code leads from one into another.

This package is independent: it imports nothing else of `messaging`, and nothing of `messaging` imports it.
"""
