"""Projects that are surveyed: the small shop beside this file, and what its comments say that the survey has to find."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from config.env import ROOT
from tests import warm

SHOP = Path(__file__).parent / "shop"
#: `# -> lookup stock` at the end of a line: a crossing of this kind, from the file's app to stock. `orders:stock` names both.
MARK = re.compile(r"# -> ([a-z-]+) (?:(\w+):)?(\w+)")
#: What the rest of messaging needs, and the survey doesn't.
UNNEEDED = "celery kombu pydantic rest_framework django_outbox_pattern rich urllib3 cryptography prometheus_client"
Found = tuple[str, str, str, str, int]


class Host:
    """A copy of the shop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop"
        shutil.copytree(SHOP, self.folder, ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, *words: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the shop, which has to end with this code."""
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "DJANGO_SETTINGS_MODULE")}
        environment |= {"DJANGO_SETTINGS_MODULE": "settings", "SHOP_PACKAGES": str(ROOT), "SHOP_WITHOUT": UNNEEDED, **variables}
        done = warm.run(["-m", "django", *words], cwd=self.folder, env=environment, timeout=120)
        assert done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def survey(self, *words: str, code: int = 0) -> dict[str, Any]:
        """Return what `crossings --json` prints."""
        values: dict[str, Any] = json.loads(self.run("crossings", "--json", *words, code=code).stdout)
        return values

    def remove(self, path: str, fragment: str) -> str:
        """Remove the one line of a file that has this fragment. Returns the line."""
        file = self.folder / path
        lines = file.read_text().splitlines(keepends=True)
        (line,) = [line for line in lines if fragment in line]
        file.write_text("".join(each for each in lines if each != line))
        return line

    def plant(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)


def marked(folder: Path) -> Counter[Found]:
    """Return what the comments in a folder say, with the number of each."""
    found: Counter[Found] = Counter()
    for file in sorted(folder.rglob("*.py")):
        path = file.relative_to(folder).as_posix()
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            for kind, source, target in MARK.findall(line):
                found[kind, source or path.partition("/")[0], target, path, number] += 1
    return found


def listed(values: dict[str, Any]) -> Counter[Found]:
    """Return the same of a survey's result."""
    return Counter((each["kind"], each["from"], each["to"], each["path"], each["line"]) for each in values["crossings"])
