"""No outbox: the task is sent after the commit, and is lost if the process dies between."""

from benchmarks.alternatives.settings import *  # noqa: F403
