"""The production web server: `gunicorn -c config/deploy/gunicorn.conf.py` in the project's folder (docs/production.md).

This file imports nothing of the project. gunicorn reads it in its master process and forks the workers from that, so a reload would
keep the old version of a module that the master has imported.
"""

import os
import subprocess
import sys
from typing import Any

wsgi_app = "config.wsgi"
#: Only the HTTPS proxy on this machine may reach it, because Django trusts `X-Forwarded-Proto`.
bind = f"127.0.0.1:{os.environ.get('PORT') or 8000}"

#: Two processes for two cores. Threads, because requests mostly wait for the database, and a consumer's long poll takes a thread
#: for up to 30 seconds. Each thread keeps a connection to each database that it has used.
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
worker_class = "gthread"
threads = 8
#: Seconds that a stopping worker waits for its requests: a long poll takes 30.
graceful_timeout = 40
#: Seconds that an idle connection stays open. It must be more than the proxy's (usually 60), or the proxy may lose a request.
keepalive = 75
#: Two servers of one user would share this socket, which is in the home folder. Signals are enough.
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Import the application in a separate process first. If that fails, it prints the reason and gunicorn exits. Two workers that
    fail at the same time would end gunicorn with its own traceback."""
    tried = subprocess.run([sys.executable, "-c", "import config.wsgi"], check=False)
    if tried.returncode:
        sys.exit(tried.returncode)
