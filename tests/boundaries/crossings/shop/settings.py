import os
import sys

sys.path.append(os.environ["SHOP_PACKAGES"])  # as if messaging were installed
# Packages that aren't installed, whether this process has imported them before or not.
for name in os.environ.get("SHOP_WITHOUT", "").split():
    sys.modules.update(dict.fromkeys([name, *(one for one in sys.modules if one.startswith(f"{name}."))]))

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
MESSAGING = {"CONTEXTS": {"orders": {"database": "default"}}}  # read only by messaging itself
SILENCED_SYSTEM_CHECKS = ["admin.E403", "admin.E406", "admin.E408", "admin.E409", "admin.E410"]  # the shop serves no page
