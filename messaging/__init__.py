"""Plumbing between bounded contexts. A package imports only what stands below it; pyproject.toml holds that as a contract.

=============  ====================================================================================
admin          pages of the plumbing's tables                                              (a door)
management     commands, and what they share                                               (a door)
operations     status, metrics, health, system checks
split          move a table's live rows to another owner, and back
http           the authority's API                                                         (a door)
replica        one consumer's copy of one authority: fill, catch up, compare, repair       (a door)
fingerprints   digests of ranges of rows, on either side
publisher      outbox, relay, changes feed, who may read it (grants), retention            (a door)
ownership      which context may write a table's rows                                      (a door)
tasks          Celery's tasks
consumer       receive each event once, and keep a cache                                   (a door)
ledger         version and position of every change
transport      the broker: queues, frames, signatures
database       SQL that differs between databases, and what their errors mean
repair_log     who repaired what
events         the contract of an event, and words that all share                          (a door)
models         the tables, which every context has in its own database
errors, settings, failpoints
=============  ====================================================================================

`boundaries` stands alone. An application imports the doors, `models`, `errors` and `settings`, and nothing deeper.
"""
