"""`make chaos`: the whole system under random faults for a while, and then the question whether all is right again.

`plan` says which fault comes when, `faults` does it, `fleet` has the processes, `writer` writes meanwhile, `watch` notes what may
never happen, `verdict` asks at the end, `conductor` brings them together. docs/chaos.md says what it found.
"""
