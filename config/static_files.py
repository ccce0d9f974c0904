"""Static files in production: compressed, and with a content hash in the name, so that browsers may keep them for ever.

WhiteNoise serves them if it is installed (config/deploy/requirements.txt). Otherwise your web server must serve the folder that
`collectstatic` fills.
"""

import filecmp
import logging
import os
import secrets
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.files.storage import FileSystemStorage

logger = logging.getLogger(__name__)

COLLECT = "Run `python manage.py collectstatic --noinput`, then reload the web server."

if settings.WHITENOISE:
    from whitenoise.storage import CompressedManifestStaticFilesStorage as Hashed
else:
    Hashed = ManifestStaticFilesStorage


class Storage(Hashed):
    """Shows a page without a style that wasn't collected, and logs it once. Django would answer with an error 500."""

    told = False
    #: True while `collectstatic` makes hashed names. Django deletes such a file before it writes it again, and a request between
    #: gets an error 500. This class replaces the file in one step.
    replacing = False

    def post_process(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, str | None, bool | Exception]]:
        self.replacing = True
        try:
            yield from super().post_process(*args, **kwargs)
        finally:
            self.replacing = False

    def delete(self, name: str) -> None:
        if not self.replacing:
            super().delete(name)

    def _save(self, name: str, content: Any) -> str:
        if not (self.replacing and self.exists(name)):
            saved: str = super()._save(name, content)
            return saved
        aside = super()._save(f"{name}.{secrets.token_hex(4)}", content)
        os.replace(self.path(aside), self.path(name))
        return name

    def stored_name(self, name: str) -> str:
        try:
            stored: str = super().stored_name(name)
        except ValueError:
            if not self.told:
                logger.error("Static files were not collected (%s is missing), so pages have no styles. %s", name, COLLECT)
                self.told = True
            return name
        return stored

    def not_collected(self) -> list[str]:
        """Return the static files of the installed apps that `collectstatic` hasn't collected with their present content."""
        there: dict[str, tuple[FileSystemStorage, str]] = {}
        for finder in get_finders():
            for path, files in finder.list(["CVS", ".*", "*~"]):
                prefix = getattr(files, "prefix", None)
                there.setdefault(f"{prefix}/{path}" if prefix else path, (files, path))  # the first one found is collected
        return sorted(name for name, (files, path) in there.items() if not self._is_collected(name, files, path))

    def _is_collected(self, name: str, files: FileSystemStorage, path: str) -> bool:
        """Return True if the collected copy with the plain name, the source of the hashed one, equals the app's file."""
        return name in self.hashed_files and self.exists(name) and filecmp.cmp(files.path(path), self.path(name), shallow=False)
