"""Where Unix sockets lie: beside the data they belong to, unless the kernel or a URL can't take such a path."""

import hashlib
import os
import tempfile
from pathlib import Path

#: The kernel keeps a Unix socket's path in about 104 bytes (macOS) or 108 (Linux), and supervisord first binds it with its
#: process id appended.
LONGEST_PATH_BYTES = 92
#: These end or change a path in a broker's URL, or in a configuration file.
SPECIAL = set("#;?%")


def usable(path: Path) -> Path:
    """The path, or a stand-in for it in the temporary folder: always the same one for the same path."""
    if len(os.fsencode(path)) <= LONGEST_PATH_BYTES and not SPECIAL & set(str(path)):
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"{path.stem}-{os.getuid()}-{name}{path.suffix}"
