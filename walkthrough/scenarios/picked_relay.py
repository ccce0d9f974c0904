"""The settings of a project that runs the relay of django-outbox-pattern by itself, on this project's databases.

There is no router, because the package has no setting for a database.
"""

from config.settings import DATABASES, DEFAULT_AUTO_FIELD, LOGGING, SECRET_KEY, USE_TZ

__all__ = ["DATABASES", "DEFAULT_AUTO_FIELD", "INSTALLED_APPS", "LOGGING", "SECRET_KEY", "USE_TZ"]

INSTALLED_APPS = ["django_outbox_pattern"]
