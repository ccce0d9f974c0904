"""Where the admin's login is, for its login page."""

from django import template
from django.conf import settings

from config.runner.provisioning import ADMIN, PASSWORD_FILE
from config.runner.readiness import shown

register = template.Library()


@register.inclusion_tag("admin/login_help.html")
def login_help() -> dict[str, object]:
    """A line with the name, and with the file that has the password. Only with DEBUG; the password itself is never on a page."""
    return {"told": settings.DEBUG, "name": ADMIN, "file": shown(PASSWORD_FILE) if PASSWORD_FILE.exists() else ""}
