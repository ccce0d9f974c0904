"""The rules between contexts, in `rules`: no relation and no code leads from one into another. `crossings` is a survey of any apps.

This package is independent: it imports nothing else of `messaging`, and nothing of `messaging` imports it but the command
`crossings`. It is a Django app of its own, without a model.
"""
