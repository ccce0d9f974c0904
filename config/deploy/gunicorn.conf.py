"""The production web server: `gunicorn -c config/deploy/gunicorn.conf.py`, from the project's root. docs/production.md says how.

It imports nothing of the project. gunicorn reads this file in its master process, and each worker is a copy of that. A module
that the master has loaded would stay the old one at every reload.
"""

import os
import subprocess
import sys
from typing import Any

wsgi_app = "config.wsgi"
#: For the proxy on this machine that speaks HTTPS; nobody else is to reach it, for it believes `X-Forwarded-Proto`.
bind = f"127.0.0.1:{os.environ.get('PORT') or 8000}"

#: Two processes for two cores. Threads, because a request mostly waits for its database, and a consumer's long poll holds a thread
#: for up to 30 seconds. Each thread keeps a connection to each database that it has used.
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
worker_class = "gthread"
threads = 8
#: Seconds that a stopping worker gives what it has begun: a long poll takes 30.
graceful_timeout = 40
#: Seconds that an idle connection stays open. Proxies keep theirs for 60. The proxy must close first, or it may lose a request.
keepalive = 75
#: It would be a socket in the home folder, and two servers of one user would share it. Signals do all that is needed.
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Load the application once in a process of its own. If that fails, it says why, and nothing is started. Two workers that fail
    at once would end gunicorn with a traceback of its own."""
    tried = subprocess.run([sys.executable, "-c", "import config.wsgi"], check=False)
    if tried.returncode:
        sys.exit(tried.returncode)
