import os
import sys

# The survey needs none of the packages that the rest of messaging needs.
for name in ("celery", "kombu", "pydantic", "rest_framework", "django_outbox_pattern", "rich"):
    if os.environ.get("SHOP_ONLY_SURVEYS"):
        sys.modules[name] = None

SECRET_KEY = "shop"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.admin",
    "orders",
    "stock",
    "people",
    *os.environ.get("SHOP_APPS", "messaging.boundaries").split(),
]
AUTH_USER_MODEL = "people.Person"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
ROOT_URLCONF = "orders.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
