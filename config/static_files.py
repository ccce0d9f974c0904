"""Static files in production: names with a hash of their content, which browsers keep for ever, and compressed copies.

WhiteNoise serves them where it is installed (config/deploy/requirements.txt). Without it a web server of your own serves the folder
that `collectstatic` fills.
"""

import logging

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

logger = logging.getLogger(__name__)

COLLECT = "Run `python manage.py collectstatic --noinput`, then reload the web server."

if settings.WHITENOISE:
    from whitenoise.storage import CompressedManifestStaticFilesStorage as Hashed
else:
    Hashed = ManifestStaticFilesStorage


class Storage(Hashed):
    """A page whose style wasn't collected comes without it, and the log says so once. Django's own answer is an error 500."""

    told = False

    def stored_name(self, name: str) -> str:
        try:
            stored: str = super().stored_name(name)
        except ValueError:
            if not self.told:
                logger.error("Static files were not collected (%s is missing), so pages come without styles. %s", name, COLLECT)
                self.told = True
            return name
        return stored

    def not_collected(self) -> list[str]:
        """The static files of the installed apps that `collectstatic` hasn't seen."""
        there = {
            f"{prefix}/{path}" if (prefix := getattr(files, "prefix", None)) else path
            for finder in get_finders()
            for path, files in finder.list(["CVS", ".*", "*~"])
        }
        return sorted(there - set(self.hashed_files))
