"""The programs that `make run` and `runserver` keep running, and supervisord's configuration for them. Each process does one thing,
and one can die without the others."""

import os
import re
import secrets
import shlex
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from config import broker, sockets
from config.contexts import CONTEXTS
from config.env import ROOT, VAR
from config.runner.broker_server import server_command, tethered
from config.runner.preflight import PROGRAMS_LOCK, RUN
from messaging.consumer.cache import declared_caches

CONFIGURATION = RUN / "supervisord.conf"
CONTROL_SOCKET = sockets.usable(RUN / "supervisor.sock")
#: The addresses of contexts that run as separate web servers.
USERS_ADDRESS, BILLING_ADDRESS = RUN / "address-users", RUN / "address-billing"


@dataclass(frozen=True)
class Program:
    """A supervised process."""

    name: str
    command: list[str]
    priority: int = 20  #: Low numbers start first and stop last.
    environment: tuple[tuple[str, str], ...] = ()
    on_demand: bool = False  #: True if a chapter or the lab starts it, and not the supervisor.


def chosen(port: int, *, web: bool = True) -> list[Program]:
    """Return all programs for the present settings; without the web server if `web` is False."""
    found = programs(settings.CONTEXT_NAMES, port) + (apart(port) if settings.WALKTHROUGH else [])
    return [program for program in found if web or program.name != "web"]


def programs(contexts: Sequence[str], port: int) -> list[Program]:
    """Return all programs for these contexts."""
    python, manage = sys.executable, str(ROOT / "manage.py")
    found = [Program("broker", server_command(), priority=10)] if broker.is_embedded() else []
    found.append(Program("web", [python, manage, "runserver", "--alone", "--noreload", f"127.0.0.1:{port}"]))
    delivering = [name for name in contexts if CONTEXTS[name].delivers]
    for name in delivering:
        found.append(Program(f"relay-{name}", [python, manage, "relay", name]))
    for name in contexts:
        if declared_caches(name):
            found.append(Program(f"tend-{name}", [python, manage, "tend", name]))
    for name in delivering:
        found.append(Program(f"worker-{name}", [python, manage, "worker", name]))
    found.append(Program("beat", [python, manage, "scheduler"]))
    return found


def apart(port: int) -> list[Program]:
    """Return the walkthrough's separate contexts. Each knows only a URL and a token of the other."""
    users, billing = (f"127.0.0.1:{_free(port + more)}" for more in (1, 2))
    USERS_ADDRESS.write_text(f"http://{users}\n")
    BILLING_ADDRESS.write_text(f"http://{billing}\n")
    manage = [sys.executable, str(ROOT / "manage.py")]
    serve = [*manage, "runserver", "--alone", "--noreload"]
    tend = [*manage, "tend", "billing"]
    of_users = (("CONTEXTS", "users"),)
    of_billing = (("CONTEXTS", "billing"), ("USERS_API_URL", f"http://{users}"))
    return [
        Program("users-api", [*serve, users], environment=of_users, on_demand=True),
        Program("billing-web", [*serve, billing], environment=of_billing, on_demand=True),
        Program("billing-tend", tend, environment=of_billing, on_demand=True),
    ]


def _free(port: int) -> int:
    """Return the port, or a free one if it is in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """Return the environment that supervisord and its programs need."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONUNBUFFERED": "1",
        # Root knows that it is root. Eight lines per worker would hide other lines.
        "PYTHONWARNINGS": ",".join(
            ["ignore:You're running the worker with superuser", *filter(None, [os.environ.get("PYTHONWARNINGS")])]
        ),
        "VAR_DIR": str(VAR),
        # supervisord expands a program's log path twice.
        "PROGRAM_LOGS": str(VAR / "log").replace("%", "%%"),
    }


def write_configuration(running: Sequence[Program]) -> None:
    """Write `var/run/supervisord.conf`, readable only by its owner because it has the control socket's password."""
    text = configuration(running, password=secrets.token_hex(16))
    CONFIGURATION.unlink(missing_ok=True)
    descriptor = os.open(CONFIGURATION, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def configuration(running: Sequence[Program], *, password: str) -> str:
    """Return the text of supervisord's configuration, which needs `environment()`."""
    return HEAD.format(
        socket=CONTROL_SOCKET,
        password=password,
        # Without this line supervisord warns root at every start.
        user="user=root\n" if os.geteuid() == 0 else "",
    ) + "".join(
        PROGRAM.format(
            name=program.name,
            priority=program.priority,
            command=_quoted(tethered(*program.command, hold=PROGRAMS_LOCK)),
            autostart="false" if program.on_demand else "true",
            environment=",".join(f'{name}="{value}"' for name, value in program.environment),
        )
        for program in running
    )


def _quoted(command: Sequence[str]) -> str:
    """Quote a command line for supervisord: like a shell, with `%` doubled, and without ` #` or ` ;`, which start comments."""
    return re.sub(r"(?<=\s)([#;])", r"''\1", shlex.join(command)).replace("%", "%%")


# Paths come from the environment, so no character in them can end a value or start a comment.
HEAD = """\
; Written at each start. To control the programs:
;     .venv/bin/supervisorctl -c var/run/supervisord.conf status

[supervisord]
nodaemon=true
silent=true
logfile=%(ENV_VAR_DIR)s/log/supervisord.log
logfile_maxbytes=1MB
logfile_backups=1
pidfile=%(ENV_VAR_DIR)s/run/supervisord.pid
{user}
[unix_http_server]
file={socket}
chmod=0700
username=make-run
password={password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{socket}
username=make-run
password={password}
"""

# SIGTERM goes only to the command, because Celery finishes its task in a pool process. If that takes too long, SIGKILL goes to the
# whole group, so no pool process is left.
# A program that fails at once is restarted after 1, 2, 3 … seconds; 20 times take three and a half minutes.
PROGRAM = """
[program:{name}]
command={command}
priority={priority}
environment={environment}
autostart={autostart}
autorestart=true
startsecs=2
startretries=20
stopsignal=TERM
stopwaitsecs=15
killasgroup=true
redirect_stderr=true
stdout_logfile=%(ENV_PROGRAM_LOGS)s/{name}.log
stdout_logfile_maxbytes=5MB
stdout_logfile_backups=2
"""
