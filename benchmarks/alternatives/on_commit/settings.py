"""No outbox: the task is sent after the commit, and is lost where the process dies in between."""

from benchmarks.alternatives.settings import *  # noqa: F403
