"""Settings, from environment variables. Every default works with nothing installed but Python."""

import os
from importlib.util import find_spec

import django
from django.core.exceptions import ImproperlyConfigured

from config import api_locations, broker, contexts
from config.env import VAR, database, flag, number

DEBUG = flag("DEBUG", default=True)
SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set, and DEBUG=0 needs it. Set it to a long random string, the same at every start. To make one: "
            "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    SECRET_KEY = "for-development-only-and-known-to-everybody-who-reads-this-file"  # noqa: S105
ALLOWED_HOSTS = [host.strip() for host in os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")]

CHOSEN = contexts.chosen()
#: The contexts that this process runs.
CONTEXT_NAMES = [context.name for context in CHOSEN]
#: Those with a relay and a worker.
DELIVERING = [context.name for context in CHOSEN if context.delivers]
#: The walkthrough reads every context's tables, so it needs all of them, and it is only for learning.
WALKTHROUGH = DEBUG and set(CONTEXT_NAMES) == set(contexts.CONTEXTS)
#: WhiteNoise serves static files in production, if config/deploy/requirements.txt is installed.
WHITENOISE = find_spec("whitenoise") is not None

INSTALLED_APPS = [
    "config",  # first: of two commands or templates with one name, the first app's counts
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_outbox_pattern",
    "messaging",
    *(context.app for context in CHOSEN),
    *(["walkthrough"] if WALKTHROUGH else []),
]

MIDDLEWARE = [
    "config.security_headers.security_headers",
    "django.middleware.security.SecurityMiddleware",
    *(["whitenoise.middleware.WhiteNoiseMiddleware"] if WHITENOISE and not DEBUG else []),
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "messaging.events.tracing.CorrelationMiddleware",
    "messaging.ownership.middleware.OwnershipMiddleware",
    "config.unusable.DatabaseMiddleware",
    *(["walkthrough.views.frame.FrameMiddleware", "walkthrough.mystery.looks.counting"] if WALKTHROUGH else []),
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {
    "default": database("DATABASE_URL", "django.sqlite3"),
    **{context.alias: database(context.database_variable, context.database_file) for context in CHOSEN},
}
DATABASE_ROUTERS = ["config.router.StrictRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = "config.formats"  # Django's formats of the language override a single setting
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"

# For the pages of drf-spectacular alone. The API needs no `REST_FRAMEWORK`.
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Bounded contexts",
    "DESCRIPTION": (
        "The contexts' facts for each other: changes, fingerprints, single records, contracts.\n\n"
        "Every error is an object with `reason`, for a program, and `detail`, for a person. Unknown parameters are ignored, so a "
        "consumer may be newer than its authority. A repeated parameter is refused. Answers are always JSON, whatever `Accept` "
        "says, and compressed if `Accept-Encoding` has gzip."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],  # the schema is public
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},  # the validator is on another company's server
}

# The settings of `messaging`. Only "CONTEXTS" has no default; `messaging/settings.py` describes each entry.
MESSAGING = {
    # Each context of this process, with the alias of its database in `DATABASES`.
    "CONTEXTS": {context.name: {"database": context.alias} for context in CHOSEN},
    # The monolith has two feeds: one authority, two models. The feeds of `users` and `billing` are where convention puts them.
    "FEEDS": {"monolith": "monolith.feed.USERS", "monolith_invoices": ("monolith", "monolith.feed.INVOICES")},
    # The moves of `split`: a context, and the feed that fills it until the flip. Its own feed leads back.
    "SPLITS": {"users": "monolith", "billing": "monolith_invoices"},
    "API_URL": api_locations.url,
    # Requests per second that a consumer may make, on average over ten seconds. 0: no limit.
    "API_RATE": number("API_RATE", default=500),
    # Tokens and signing keys that aren't in the environment, and the relays' wake-ups on SQLite.
    "FOLDER": VAR,
    # Publishers whose unsigned messages are accepted, during an upgrade.
    "ACCEPT_UNSIGNED": [name.strip() for name in os.environ.get("ACCEPT_UNSIGNED", "").split(",") if name.strip()],
    "BROKER_URL": broker.url(),
    "BROKER_OPTIONS": broker.options(),
    # The queue type on RabbitMQ: classic, or quorum, which is replicated in a cluster.
    "QUEUE_TYPE": broker.queue_type(),
}

# The sources that billing may read users from. The monolith's tables need its context in this process.
BILLING = {
    "SOURCES": {
        **({"monolith": "monolith.standing.Users"} if "monolith" in CONTEXT_NAMES else {}),
        "api": "billing.sources.api.Api",
        "cache": "billing.sources.cache.Cache",
    }
}

# Mails about repairs to the consumers' owners, by default on the console. The environment chooses another backend and server.
_BACKEND = os.environ.get("EMAIL_BACKEND", "").strip() or "django.core.mail.backends.console.EmailBackend"
_HOST = os.environ.get("EMAIL_HOST", "").strip() or "localhost"
_TIMEOUT_SECONDS = 10
if django.VERSION >= (6, 1):  # the EMAIL_… settings are deprecated, and a backend refuses options that it doesn't know
    _OPTIONS = {"host": _HOST, "timeout": _TIMEOUT_SECONDS} if _BACKEND == "django.core.mail.backends.smtp.EmailBackend" else {}
    MAILERS = {"default": {"BACKEND": _BACKEND, "OPTIONS": _OPTIONS}}
else:
    EMAIL_BACKEND, EMAIL_HOST, EMAIL_TIMEOUT = _BACKEND, _HOST, _TIMEOUT_SECONDS
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "").strip() or "contexts@localhost"

DEFAULT_EXCEPTION_REPORTER_FILTER = "config.log_format.Hiding"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"()": "config.log_format.Plain", "format": "{levelname:<7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "django": {"level": "INFO"},  # without Django's own handler, which would print each line twice
        # These log a line for every task and tick; the inbox logs the outcome of each message.
        **{
            name: {"level": "WARNING"}
            for name in ("celery.app.trace", "celery.worker.strategy", "celery.worker.request", "celery.beat")
        },
    },
}

if not DEBUG:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "config.static_files.Storage"},
    }
    WHITENOISE_IMMUTABLE_FILE_TEST = r"\.[0-9a-f]{12}\."  # names with a hash; by default WhiteNoise guesses
    SECURE_SSL_REDIRECT = True
    # Monitors call these directly, without the HTTPS proxy, and follow no redirect.
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
