"""The alternatives' common settings. `ALTERNATIVE_DATABASE_URL` chooses the authority's or the consumer's database. Connections
stay open, which none of the alternatives does by default."""

import os

import dj_database_url

SECRET_KEY = "for-a-benchmark-only"  # noqa: S105
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["benchmarks.alternatives.facts"]
DATABASES = {"default": dj_database_url.parse(os.environ["ALTERNATIVE_DATABASE_URL"], conn_max_age=None)}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
