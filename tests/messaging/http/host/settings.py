"""A host with settings of its own. `HOST` names its `REST_FRAMEWORK`: a hostile one, none, or the one copied from release 0.1.0."""

import os
from typing import Any

from config.settings import *  # noqa: F403
from config.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE, REST_FRAMEWORK

ROOT_URLCONF = "tests.messaging.http.host.urls"
APPEND_SLASH = False
LANGUAGE_CODE = "de"
USE_I18N = True
USE_THOUSAND_SEPARATOR = True
TIME_ZONE = "Asia/Tokyo"
MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    *(name for name in MIDDLEWARE if not name.startswith("config.")),
    "django.middleware.locale.LocaleMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
]
DATABASES = {alias: {**database, "ATOMIC_REQUESTS": True} for alias, database in DATABASES.items()}

ITS: dict[str, dict[str, Any]] = {
    "hostile": {
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": [
            "rest_framework.renderers.BrowsableAPIRenderer",
            "rest_framework.renderers.JSONRenderer",
        ],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
        "DEFAULT_THROTTLE_CLASSES": ["tests.messaging.http.host.policies.NoRequests"],
        "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
        "ALLOWED_VERSIONS": ["7"],
        "DEFAULT_SCHEMA_CLASS": "rest_framework.schemas.openapi.AutoSchema",
        "DEFAULT_METADATA_CLASS": "rest_framework.metadata.SimpleMetadata",
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
        "EXCEPTION_HANDLER": "tests.messaging.http.host.policies.in_the_hosts_words",
        "UNAUTHENTICATED_TOKEN": "tests.messaging.http.host.policies.everybody",
        "NON_FIELD_ERRORS_KEY": "all",
        "DATETIME_FORMAT": "%d.%m.%Y",
        "COERCE_BIGINT_TO_STRING": True,
        "COMPACT_JSON": False,
    },
    "copied": {
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["messaging.http.parsing.Json"],
        "DEFAULT_CONTENT_NEGOTIATION_CLASS": "messaging.http.parsing.OnlyWhatThereIs",
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_METADATA_CLASS": None,
        "DEFAULT_SCHEMA_CLASS": "messaging.http.openapi.Schema",
        "DEFAULT_PAGINATION_CLASS": None,
        "EXCEPTION_HANDLER": "messaging.http.errors.answer",
        "UNAUTHENTICATED_USER": None,
    },
}
if os.environ["HOST"] in ITS:
    REST_FRAMEWORK = ITS[os.environ["HOST"]]
else:
    del REST_FRAMEWORK
    INSTALLED_APPS = [name for name in INSTALLED_APPS if not name.startswith(("rest_framework", "drf_spectacular"))]
