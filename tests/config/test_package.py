"""What the package declares agrees with the pins, with the changelog and with what `messaging/` imports."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from config.env import ROOT
from messaging.extras import DISTRIBUTION, EXTRAS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = ("requirements.txt", "config/deploy/requirements.txt", "requirements-dev.txt")
#: What messaging imports by another name than the one it is installed by, and packages that a requirement always brings.
INSTALLED_BY = {
    "amqp": "kombu",
    "billiard": "celery",
    "django_outbox_pattern": "django-outbox-pattern",
    "drf_spectacular": "drf-spectacular",
    "importlinter": "import-linter",
    "prometheus_client": "prometheus-client",
    "pydantic_core": "pydantic",
    "rest_framework": "djangorestframework",
    "typing_extensions": "pydantic",
}
#: Where an extra's packages are imported. `messaging.extras` guards these doors.
PLACES = {
    "api": ("http/",),
    "boundaries": ("boundaries/", "management/commands/crossings.py"),
    "deploy": ("operations/metrics.py",),
    "redis": ("transport/redis.py",),
    "signing": ("transport/ed25519.py", "transport/keys.py"),
}


def _ranges(lines: list[str]) -> dict[str, Requirement]:
    return {str(canonicalize_name(Requirement(line).name)): Requirement(line) for line in lines}


CORE = _ranges(PROJECT["dependencies"])
OPTIONAL = {extra: _ranges(lines) for extra, lines in PROJECT["optional-dependencies"].items()}


def pins() -> dict[str, set[Version]]:
    found: dict[str, set[Version]] = {}
    for file in PINS:
        for line in (ROOT / file).read_text().splitlines():
            if pinned := re.match(r"([\w.-]+)(?:\[\w+\])?==([^\s;]+)", line):
                found.setdefault(canonicalize_name(pinned[1]), set()).add(Version(pinned[2]))
    return found


def declared() -> dict[str, Requirement]:
    return {**CORE, **{name: requirement for extra in OPTIONAL.values() for name, requirement in extra.items()}}


def imports() -> Iterator[tuple[str, str]]:
    """Yield (file, package) for each import of another project in `messaging/`."""
    for path in sorted((ROOT / "messaging").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for package in {name.partition(".")[0] for name in names} - {"messaging", *sys.stdlib_module_names}:
                yield path.relative_to(ROOT / "messaging").as_posix(), package


@pytest.mark.parametrize("name", sorted(declared()))
def test_each_pin_lies_in_its_range(name: str) -> None:
    found = pins().get(name, set())
    assert found or name == "grimp", f"{name} has no pin, so no test runs with it."  # import-linter brings grimp
    assert [str(pin) for pin in found if pin not in declared()[name].specifier] == []


def test_every_import_is_declared_where_it_is_used() -> None:
    wrong = []
    for file, package in imports():
        distribution = canonicalize_name(INSTALLED_BY.get(package, package))
        extras = [extra for extra, requirements in OPTIONAL.items() if distribution in requirements]
        allowed = distribution in CORE or any(file.startswith(PLACES.get(extra, ())) for extra in extras)
        if not allowed:
            wrong.append(f"{file} imports {package}, which is {f'of the extra {extras[0]}' if extras else 'not declared'}")
    assert wrong == []


def test_every_requirement_is_imported() -> None:
    used = {canonicalize_name(INSTALLED_BY.get(package, package)) for _, package in imports()}
    assert set(CORE) - used == set()


def test_the_sentences_name_the_extras_that_can_be_installed() -> None:
    assert PROJECT["name"] == DISTRIBUTION
    assert set(OPTIONAL) == {*EXTRAS, "boundaries"}
    for extra, wanted in EXTRAS.items():
        packages = {canonicalize_name(INSTALLED_BY.get(package, package)) for package in wanted.packages}
        assert packages <= set(OPTIONAL[extra])


def test_the_version_is_that_of_the_changelog() -> None:
    """Between releases it is a development version of the next one."""
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    version, unreleased = Version(PROJECT["version"]), headings[0] == "Unreleased"
    newest = Version(headings[1 if unreleased else 0])
    assert version.is_devrelease == unreleased
    assert version > newest if unreleased else version == newest


def test_the_package_is_typed() -> None:
    assert Path(ROOT / "messaging" / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]
