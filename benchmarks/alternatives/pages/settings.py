"""An API as in the tutorial of Django REST framework."""

from benchmarks.alternatives.settings import *  # noqa: F403
from benchmarks.alternatives.settings import INSTALLED_APPS as COMMON

INSTALLED_APPS = ["rest_framework", *COMMON]
WSGI_APPLICATION = "benchmarks.alternatives.pages.wsgi.application"
ROOT_URLCONF = "benchmarks.alternatives.pages.urls"
MIDDLEWARE = ["django.middleware.gzip.GZipMiddleware"]
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
}
