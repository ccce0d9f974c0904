"""`make chaos` runs the whole system under random faults for a while, and then checks that it recovered.

`plan` chooses the faults and their times, `faults` causes them, `fleet` has the processes, `writer` writes meanwhile, `watch`
records events that must never happen, `verdict` checks the end, and `conductor` connects all. docs/chaos.md has the results.
"""
