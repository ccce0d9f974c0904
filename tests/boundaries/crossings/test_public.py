"""The survey of a pair of apps equals the count by hand, for three pairs of two projects from PyPI.

`public/` has for each project the pinned packages, Django's settings, and the count, which was made before the survey ran. Without
a network the tests are skipped, unless `REQUIRE_PUBLIC` is set.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import django
import pytest

from config.env import ROOT
from messaging.boundaries.crossings.crossing import KINDS
from tests.boundaries.crossings.hosts import Found, listed
from tests.probes import alone

PUBLIC = Path(__file__).parent / "public"
#: The project and the apps of each count.
PAIRS = {
    "oscar_partner": ("catalogue", "partner"),
    "oscar_offer": ("catalogue", "offer"),
    "wiki_attachments": ("wiki", "wiki_attachments"),
}
#: A slow network has to deliver 50 MB.
PATIENCE = 300.0
pytestmark = [
    pytest.mark.timeout(2 * PATIENCE),
    pytest.mark.skipif(django.VERSION[:2] != (5, 2), reason="not both projects start with newer versions of Django"),
]


class Count(NamedTuple):
    seen: Counter[Found]
    #: The crossings that the survey misses, each with the reason.
    unseen: dict[Found, str]


def count_by_hand(pair_name: str) -> Count:
    seen: Counter[Found] = Counter()
    unseen: dict[Found, str] = {}
    for line in (PUBLIC / f"{pair_name}_count.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            pair, kind, place, _, *more = line.split(" | ")
            source, _, target = pair.partition(" -> ")
            path, _, number = place.rpartition(":")
            found = kind, source, target, path, int(number)
            if more:
                unseen[found] = more[0]
            else:
                seen[found] += 1
    return Count(seen, unseen)


def installed(project: str) -> Path:
    """Install a project's packages, once for all runs of the tests."""
    pins = PUBLIC / f"{project}_packages.txt"
    folder = ROOT / "var" / "public" / f"{project}-{sys.version_info.major}.{sys.version_info.minor}"
    with alone(folder.with_name(f"{folder.name}.lock")):
        done = folder / "installed.txt"
        if not done.exists() or done.read_text() != pins.read_text():
            into = ("--quiet", "--no-deps", "--upgrade", "--target", str(folder))
            words = [sys.executable, "-m", "pip", "install", *into, "-r", str(pins)]
            pip = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
            if pip.returncode and not os.environ.get("REQUIRE_PUBLIC"):
                pytest.skip(f"{project} can't be installed: {pip.stderr[-300:]}")
            assert pip.returncode == 0, pip.stderr
            done.write_text(pins.read_text())
    return folder


def survey(pair: str, folder: Path, *words: str) -> str:
    """Survey a pair of apps. Returns what the command prints."""
    project = pair.partition("_")[0]
    (folder / "public_settings.py").write_text((PUBLIC / f"{project}_settings.txt").read_text())
    places = [str(folder), str(ROOT), str(installed(project))]
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-m", "django", "crossings", *PAIRS[pair], *words],
        cwd=folder,
        env={**variables, "PYTHONPATH": os.pathsep.join(places), "DJANGO_SETTINGS_MODULE": "public_settings"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=PAIRS)
def surveyed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Counter[Found]]:
    name: str = request.param
    return name, listed(json.loads(survey(name, tmp_path_factory.mktemp(name), "--json").splitlines()[-1]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_of_apps_equals_the_count_by_hand(surveyed: tuple[str, Counter[Found]], kind: str) -> None:
    name, found = surveyed
    counted = count_by_hand(name).seen

    assert {each: number for each, number in found.items() if each[0] == kind} == {
        each: number for each, number in counted.items() if each[0] == kind
    }


def test_what_the_survey_misses_is_counted_with_the_reason(surveyed: tuple[str, Counter[Found]]) -> None:
    name, found = surveyed

    for each, reason in count_by_hand(name).unseen.items():
        assert reason.startswith("unseen: ")
        assert each not in found, f"{each} is seen now. Remove its reason."


def test_the_page_shows_what_the_command_prints(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "crossings.md").read_text()

    assert survey("oscar_partner", tmp_path) in page
    assert f"there are {sum(len(count_by_hand(pair).unseen) for pair in PAIRS)}, " in page.replace("\n", " ")
