"""django-outbox-pattern with its own relay and consumer. Its defaults stand: prefetch 1, a look every second. A look is in whole
seconds there, and 0 would be a loop that never rests."""

import os

from benchmarks.alternatives.settings import *  # noqa: F403
from benchmarks.alternatives.settings import INSTALLED_APPS as COMMON

INSTALLED_APPS = ["django_outbox_pattern", *COMMON]
DJANGO_OUTBOX_PATTERN = {"DEFAULT_STOMP_HOST_AND_PORTS": [("127.0.0.1", int(os.environ.get("BENCH_STOMP_PORT", "61613")))]}
