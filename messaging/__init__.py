"""Plumbing between bounded contexts. A package imports only packages listed below it; an import-linter contract enforces that.

=============  ====================================================================================
admin          admin pages for the plumbing's tables                                       (public)
management     commands, and the code that they share                                      (public)
testing        deliver and check events in your tests                                      (public)
operations     status, metrics, health, system checks, the catalogue of events
split          move a table's live rows to another owner, and back
http           the authority's API                                                         (public)
replica        one consumer's copy of one authority: fill, catch up, compare, repair       (public)
authority      what an authority answers to a consumer, without HTTP
fingerprints   digests of ranges of rows, on either side
publisher      outbox, relay, changes feed, grants to read it, retention                   (public)
ownership      which context may write a table's rows                                      (public)
tasks, celery  the Celery tasks, and the app that they are on
consumer       receive each event once, keep a cache, note who repaired what               (public)
ledger         version and position of every change
transport      the broker: queues, frames, signatures
database       SQL that differs between databases, and what their errors mean
extras         which parts need packages that aren't installed with every messaging
events         the contract of an event, and text helpers                                  (public)
models         the tables, which contexts in one database share; each row is of one context
errors, settings, failpoints
=============  ====================================================================================

`boundaries` imports nothing else of messaging, and is an app of its own for `manage.py crossings`. An application imports the
public packages, `models`, `errors` and `settings`, and nothing deeper.
"""
