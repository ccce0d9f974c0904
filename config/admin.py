"""The titles of the admin."""

from django.conf import settings
from django.contrib import admin

admin.site.site_header = admin.site.site_title = "Bounded contexts"
admin.site.index_title = "The contexts and their tables"
if not settings.WALKTHROUGH:
    admin.site.site_url = None  # without the walkthrough there is no page at the root
