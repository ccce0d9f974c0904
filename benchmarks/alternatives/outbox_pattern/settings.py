"""django-outbox-pattern with its own relay and consumer and their defaults: prefetch 1, a check every second. The interval is in
whole seconds, and 0 would be a busy loop."""

import os

from benchmarks.alternatives.settings import *  # noqa: F403
from benchmarks.alternatives.settings import INSTALLED_APPS as COMMON

INSTALLED_APPS = ["django_outbox_pattern", *COMMON]
DJANGO_OUTBOX_PATTERN = {"DEFAULT_STOMP_HOST_AND_PORTS": [("127.0.0.1", int(os.environ.get("BENCH_STOMP_PORT", "61613")))]}
