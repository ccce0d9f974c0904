"""Mysteries: one of twelve faults is switched on unseen in the running system, and the reader finds the cause and repairs it.

`causes` and `begin` have the faults, `repairs` the answers that a reader may try, `order` the checks of what the tables show
afterwards, and `play` the rules.
"""
