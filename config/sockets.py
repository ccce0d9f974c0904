"""The paths of Unix sockets: next to their data, unless the kernel or a URL can't use such a path."""

import hashlib
import os
import tempfile
from pathlib import Path

#: A Unix socket's path may have about 104 bytes (macOS) or 108 (Linux), and supervisord first binds it with its process id
#: appended.
LONGEST_PATH_BYTES = 92
#: Characters that end or change a path in a broker's URL or a configuration file.
SPECIAL = set("#;?%")


def usable(path: Path) -> Path:
    """Return the path if it can be used, else a path in the temporary folder, always the same for the same path."""
    if len(os.fsencode(path)) <= LONGEST_PATH_BYTES and not SPECIAL & set(str(path)):
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"{path.stem}-{os.getuid()}-{name}{path.suffix}"
