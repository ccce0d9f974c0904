"""What the admin calls itself."""

from django.conf import settings
from django.contrib import admin

admin.site.site_header = admin.site.site_title = "Bounded contexts"
admin.site.index_title = "What each context has in its database"
if not settings.WALKTHROUGH:
    admin.site.site_url = None  # without the walkthrough there is no page at the root for "View site" to lead to
