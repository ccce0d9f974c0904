"""What the admin calls itself."""

from django.contrib import admin

admin.site.site_header = admin.site.site_title = "Bounded contexts"
admin.site.index_title = "What each context has in its database"
