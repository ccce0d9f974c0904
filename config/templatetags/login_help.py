"""A hint on the admin's login page about the login."""

from django import template
from django.conf import settings

from config.runner.provisioning import ADMIN, PASSWORD_FILE
from config.runner.readiness import shown

register = template.Library()


@register.inclusion_tag("admin/login_help.html")
def login_help() -> dict[str, object]:
    """Show the admin's name and the file with the password, only with DEBUG. No page shows the password itself."""
    return {"told": settings.DEBUG, "name": ADMIN, "file": shown(PASSWORD_FILE) if PASSWORD_FILE.exists() else ""}
